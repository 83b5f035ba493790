"""The accumulation buffer: partial sums of ``depth`` pixel groups, and a second half from which finished ones drain."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..control.delay import copies
from ..primitives.distributed_ram import DistributedRam

__all__ = ["AccumulationBuffer"]

_LANES = 16
"""Sums of a pixel that share the registers of ``valid`` and ``last``. With 24 the ways to them took 14 of an ECP5's 15 ns
(1 x 8 x 24, nextpnr)."""


class AccumulationBuffer(wiring.Component):
    """``accumulators[slot] += sums``; with ``last`` the result moves to the drain half and the slot starts again at 0.

    With ``scale`` it is ``sums * 256``: two such steps multiply by a weight of two bytes, its high byte first or last.

    Source: the accumulation buffer of depth 2n of the draft paper on an accelerator with a resistive-RAM weight buffer
    (section 3). One half accumulates, the other drains: the sum of a slot's last step goes to the drain half, so the next
    tile may start at once.

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``n``, ``depth``, ``accumulator_width``, ``adding``.

    Members
    -------
    sums : In(signed(sum_width)).array(p * n)
    valid, last : In(1), slot : In(range(depth))
        One step: which pixel group, whether it ends its sum; given one cycle before its ``sums``. Sums wrap at
        ``accumulator_width`` bits; the compiler proves that they do not.
    scale : In(1)
        The step's sums count 256-fold; given with ``valid``. Only with ``config.adding``.
    drain_slot : In(range(depth)), drain_pixel : In(range(p))
        Which finished sums to show.
    accumulators : Out(signed(accumulator_width)).array(n)
        The n sums of that pixel.

    **Timing.** A step every cycle, any slot order. ``last`` in cycle t - 1 and its ``sums`` in cycle t: the drain half
    holds the result from cycle t + ``finish`` until ``finish`` - 1 cycles after the ``sums`` of the slot's next ``last``;
    ``finish`` is 1, with ``config.adding`` 2. ``drain_slot`` and ``drain_pixel`` in cycle t give ``accumulators`` in
    cycle t + 1; ``latency`` is from ``sums`` to ``accumulators``.

    **Reset.** All sums start at 0; the drain half is not reset.
    """

    sums: Any
    valid: Signal
    last: Signal
    slot: Signal
    scale: Signal
    drain_slot: Signal
    drain_pixel: Signal
    accumulators: Any

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.finish = self.finish_of(config)
        self.latency = self.finish + 1
        scale = {"scale": In(1)} if config.adding else {}
        super().__init__(
            {
                **scale,
                "sums": In(signed(config.sum_width)).array(config.p * config.n),
                "valid": In(1),
                "last": In(1),
                "slot": In(range(config.depth)),
                "drain_slot": In(range(config.depth)),
                "drain_pixel": In(range(config.p)),
                "accumulators": Out(signed(config.accumulator_width)).array(config.n),
            }
        )

    @staticmethod
    def finish_of(config: EngineConfig) -> int:
        """Cycles from the last ``sums`` until the drain half holds the result."""
        return 2 if config.adding else 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        width = config.accumulator_width
        count = config.p * config.n
        given_sums, given_valid, given_last, given_slot = list(self.sums), self.valid, self.last, self.slot
        if config.adding:
            given_sums = self._scaled(m)
            given_valid, given_last, given_slot = Signal(), Signal(reset_less=True), Signal.like(self.slot, reset_less=True)
            m.d.sync += [given_valid.eq(self.valid), given_last.eq(self.last), given_slot.eq(self.slot)]
        old = Signal(width * count)
        new = Signal(width * count)
        for k in range(count):
            m.d.comb += new.word_select(k, width).eq(old.word_select(k, width).as_signed() + given_sums[k])
        drained = Signal(width * count)
        if config.depth == 1:
            # The register's own synchronous reset clears a finished sum: no multiplexer in front of the adder.
            # In reset, too: then the sums need no reset of their own, which would be a second condition there.
            groups = [
                slice(width * first, width * min(first + _LANES, end))
                for end in range(config.n, count + 1, config.n) for first in range(end - config.n, end, _LANES)
            ]  # fmt: skip
            valid = copies(m, given_valid, len(groups), "valid")
            last = copies(m, given_valid & given_last, len(groups), "last", reset_less=False, init=1)
            for i, group in enumerate(groups):
                part = new[group]
                running = Signal(len(part), name=f"running_{i}", reset_less=True)
                held = Signal(len(part), name=f"held_{i}", reset_less=True)
                m.d.comb += [old[group].eq(running), drained[group].eq(held)]
                with m.If(valid[i]):
                    m.d.sync += running.eq(part)
                with m.If(last[i]):
                    m.d.sync += [running.eq(0), held.eq(part)]
        else:
            valid, last = Signal(), Signal(reset_less=True)
            slot = Signal.like(self.slot, reset_less=True)
            m.d.sync += [valid.eq(given_valid), last.eq(given_last), slot.eq(given_slot)]
            started = Signal(config.depth)
            with m.If(valid):
                m.d.sync += started.bit_select(slot, 1).eq(~last)
            partial = Signal(width * count)
            m.d.comb += old.eq(Mux(started.bit_select(slot, 1), partial, 0))
            halves = {
                "accumulate": (slot, partial, valid),
                "drain": (self.drain_slot, drained, valid & last),
            }
            for name, (read_address, read_data, enable) in halves.items():
                half = DistributedRam(width * count, config.depth)
                m.submodules[name] = half
                m.d.comb += [
                    half.read_address.eq(read_address),
                    read_data.eq(half.read_data),
                    half.write_address.eq(slot),
                    half.write_data.eq(new),
                    half.write_enable.eq(enable),
                ]
        shown = Signal(width * config.n, reset_less=True)
        with m.Switch(self.drain_pixel):
            for i in range(config.p):
                with m.Case(i):
                    m.d.sync += shown.eq(drained.word_select(i, width * config.n))
        m.d.comb += Cat(*self.accumulators).eq(shown)
        return m

    def _scaled(self, m: Module) -> list[Value]:
        """The sums or 256 times the sums, one cycle later: a register of its own keeps the accumulator's adder short."""
        config = self.config
        width = min(config.accumulator_width, config.sum_width + 8)
        result: list[Value] = []
        for i, scale in enumerate(copies(m, self.scale, config.p, "scale")):
            for j in range(config.n):
                scaled = Signal(signed(width), name=f"scaled_{i}_{j}", reset_less=True)
                terms = self.sums[i * config.n + j]
                m.d.sync += scaled.eq(Mux(scale, terms << 8, terms))
                result.append(scaled)
        return result
