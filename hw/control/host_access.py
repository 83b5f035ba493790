"""Host access: decodes requests on the core port into accesses to registers and memories, and answers each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..bus.core_port import REQUEST, CorePort
from ..config import EngineConfig
from ..external.memory_port import ADDRESS_BITS
from .descriptor import tap_layout
from .register_map import Region, Register, Status

__all__ = ["HostAccess"]

_PATIENCE = 16
"""Cycles for which a write to the feature buffer waits for the running engine."""

_MEMORY_PATIENCE = 44
"""Cycles for which a write to the external memory waits for the one before it."""


_EXTERNAL_REGISTERS = (Register.EXTERNAL_WORDS, Register.EXTERNAL_STALLS)


class HostAccess(wiring.Component):
    """One request at a time, exactly one response to each, within 32 cycles; within 56 to the region EXTERNAL.

    While the engine runs, program, taps, weights and reads of the feature buffer are answered with ``Status.BUSY``; a write to
    the feature buffer waits up to 16 cycles for a cycle in which the engine does not write, then gives ``Status.BUSY``. While
    ``memory_busy``, so are writes to program, taps, weights and the external memory.

    Parameters
    ----------
    config : EngineConfig
    boot : bool
        Whether there is a register BOOT.

    Members
    -------
    port : In(CorePort())
    busy : In(1)
    register : Out(4), register_write : Out(1), register_value : In(32)
        Register access; ``write_data`` holds the value to write.
    write_data : Out(32)
    program_address, program_write; tap_address, tap_write; weight_address, weight_write : Out
        Memory writes of ``write_data``; a write enable bit for each 32-bit segment.
    feature_address : Out(feature_bits), feature_bank : Out(range(p))
    feature_write : Out(feature_segments), feature_free : In(1)
        A write happens in a cycle with ``feature_free``.
    external_address : Out(ADDRESS_BITS), external_write : Out(1), external_taken : In(1), memory_busy : In(1)
        Writes to the external memory, each until it is taken; only with ``config.streaming``.
    feature_word : In(8 * m)
        The word at (feature_address, feature_bank), valid at most 9 cycles after they are stable.

    **Timing.** A request taken in cycle t: ``register_write`` in cycle t + 2; the write enable of program, taps or
    weights in cycle t + 3, the first of the response, while addresses and ``write_data`` stay. ``register_value`` is
    read in cycle t + 1.

    **Reset.** Idle.
    """

    port: Any
    busy: Signal
    register: Signal
    register_write: Signal
    register_value: Signal
    write_data: Signal
    program_address: Signal
    program_write: Signal
    tap_address: Signal
    tap_write: Signal
    weight_address: Signal
    weight_write: Signal
    feature_address: Signal
    feature_bank: Signal
    feature_write: Signal
    feature_free: Signal
    external_address: Signal
    external_write: Signal
    external_taken: Signal
    memory_busy: Signal
    feature_word: Signal

    def __init__(self, config: EngineConfig, *, boot: bool = False) -> None:
        self.config = config
        absent = {*(() if boot else (Register.BOOT,)), *(() if config.streaming else _EXTERNAL_REGISTERS)}
        absent |= set() if config.spilling else {Register.EXTERNAL_WRITTEN}
        self.registers = [register.value for register in Register if register not in absent]
        self.tap_segments = -(-tap_layout(config).size // 32)
        external = {
            "external_address": Out(ADDRESS_BITS),
            "external_write": Out(1),
            "external_taken": In(1),
            "memory_busy": In(1),
        }
        super().__init__(
            {
                "port": In(CorePort()),
                "busy": In(1),
                "register": Out(4),
                "register_write": Out(1),
                "register_value": In(32),
                "write_data": Out(32),
                "program_address": Out(config.program_bits),
                "program_write": Out(1),
                "tap_address": Out(config.tap_bits),
                "tap_write": Out(self.tap_segments),
                "weight_address": Out(config.weight_bits),
                "weight_write": Out(config.weight_segments),
                "feature_address": Out(config.feature_bits),
                "feature_bank": Out(range(config.p)),
                "feature_write": Out(config.feature_segments),
                "feature_free": In(1),
                "feature_word": In(config.word_width),
            }
            | (external if config.streaming else {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config

        request = Signal(REQUEST, reset_less=True)
        offset = request.address[:24]
        region = Signal(Region)
        status = Signal(Status)
        value = Signal(32, reset_less=True)
        wait = Signal(range((_MEMORY_PATIENCE if config.streaming else _PATIENCE) + 1))
        m.d.comb += [
            region.eq(request.address[24:]),
            self.write_data.eq(request.data),
            self.register.eq(offset[:4]),
            self.program_address.eq(offset),
            self.port.response.p.data.eq(value),
            self.port.response.p.status.eq(status),
        ]

        def place(segments: int, depth: int, middle: int = 0) -> data.View:
            """The parts of an offset: segment, bank, word."""
            return data.View(
                data.StructLayout(
                    {
                        "segment": unsigned(ceil_log2(segments)),
                        "bank": unsigned(middle),
                        "word": unsigned(24 - ceil_log2(segments) - middle),
                    }
                ),
                offset,
            )

        tap = place(self.tap_segments, config.tap_depth)
        weight = place(config.weight_segments, config.weight_depth)
        feature = place(config.feature_segments, config.feature_depth, config.bank_bits)
        feature_gap = (feature.bank >= config.p) | (feature.segment >= config.feature_segments)
        m.d.comb += [
            self.tap_address.eq(tap.word),
            self.weight_address.eq(weight.word),
            self.feature_address.eq(feature.word),
            self.feature_bank.eq(feature.bank),
        ]

        # What is true of the request, computed while it rests.
        def fact(condition: Any, name: str) -> Signal:
            register = Signal(name=name, reset_less=True)
            m.d.sync += register.eq(condition)
            return register

        def memory(kind: Region, name: str, word: Any, depth: int) -> Signal:
            """Whether the request is for a word that this region has."""
            return fact((region == kind) & (word < depth), f"in_{name}")

        known = fact((region == Region.REGISTERS) & offset.matches(*self.registers), "known")
        writable = fact(offset.matches(Register.CONTROL.value, Register.LIMIT.value, Register.SCRATCH.value), "writable")
        in_features = memory(Region.FEATURES, "features", feature.word, config.feature_depth)
        gap = fact(feature_gap, "gap")
        busy = fact(self.busy, "busy")
        shown = Signal(32, reset_less=True)
        m.d.sync += shown.eq(self.register_value)
        write_only = [
            (memory(Region.PROGRAM, "program", offset, config.program_depth), self.program_write, Const(0, 1)),
            (memory(Region.TAPS, "taps", tap.word, config.tap_depth), self.tap_write, tap.segment),
            (memory(Region.WEIGHTS, "weights", weight.word, config.weight_depth), self.weight_write, weight.segment),
        ]
        write_only_regions = (Region.PROGRAM, Region.TAPS, Region.WEIGHTS, *((Region.EXTERNAL,) if config.streaming else ()))
        for_write_only = fact(Value.cast(region).matches(*(kind.value for kind in write_only_regions)), "for_write_only")
        inside_any = Signal()
        m.d.comb += inside_any.eq(Cat(inside for inside, _, _ in write_only).any())
        locked, closed = self.busy, busy
        if config.streaming:
            locked = self.busy | self.memory_busy
            closed = fact(locked, "closed")
            in_external = fact(region == Region.EXTERNAL, "in_external")
            m.d.comb += self.external_address.eq(offset)
        may_write = fact(request.write & ~locked, "may_write")

        def answer(code: Status) -> None:
            m.d.sync += status.eq(code)
            m.next = "RESPOND"

        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.comb += self.port.request.ready.eq(1)
                with m.If(self.port.request.valid):
                    m.d.sync += request.eq(self.port.request.payload)
                    m.next = "LOCATE"

            with m.State("LOCATE"):
                m.d.sync += [value.eq(0), wait.eq(_PATIENCE)]
                m.next = "DECODE"

            with m.State("DECODE"):
                with m.If(known):
                    with m.If(~request.write):
                        m.d.sync += value.eq(shown)
                        answer(Status.OK)
                    with m.Elif(~writable):
                        answer(Status.READ_ONLY)
                    with m.Else():
                        answer(Status.OK)
                with m.Elif(for_write_only):
                    with m.If(~request.write):
                        answer(Status.WRITE_ONLY)
                    if config.streaming:
                        with m.Elif(in_external & ~closed):
                            m.d.sync += wait.eq(_MEMORY_PATIENCE)
                            m.next = "WRITE EXTERNAL"
                        with m.Elif(~inside_any & ~in_external):
                            answer(Status.ADDRESS)
                    else:
                        with m.Elif(~inside_any):
                            answer(Status.ADDRESS)
                    with m.Elif(closed):
                        answer(Status.BUSY)
                    with m.Else():
                        answer(Status.OK)
                with m.Elif(in_features):
                    with m.If(gap):
                        answer(Status.OK)
                    with m.Elif(request.write):
                        m.next = "WRITE FEATURE"
                    with m.Elif(busy):
                        answer(Status.BUSY)
                    with m.Else():
                        m.next = "READ FEATURE"
                with m.Else():
                    answer(Status.ADDRESS)

            with m.State("WRITE FEATURE"):
                m.d.sync += wait.eq(wait - 1)
                for s in range(config.feature_segments):
                    m.d.comb += self.feature_write[s].eq(feature.segment == s)
                with m.If(self.feature_free):
                    answer(Status.OK)
                with m.Elif(wait == 0):
                    answer(Status.BUSY)

            if config.streaming:
                with m.State("WRITE EXTERNAL"):
                    m.d.sync += wait.eq(wait - 1)
                    m.d.comb += self.external_write.eq(1)
                    with m.If(self.external_taken):
                        answer(Status.OK)
                    with m.Elif(wait == 0):
                        answer(Status.BUSY)

            with m.State("READ FEATURE"):
                m.d.sync += wait.eq(wait - 1)
                with m.Switch(feature.segment):
                    for s in range(config.feature_segments):
                        with m.Case(s):
                            m.d.sync += value.eq(self.feature_word[32 * s : 32 * s + 32])
                with m.If(wait == _PATIENCE - 8):
                    answer(Status.OK)

            with m.State("RESPOND"):
                m.d.comb += self.port.response.valid.eq(1)
                with m.If(self.port.response.ready):
                    m.next = "IDLE"

        decoding = fsm.ongoing("DECODE")
        m.d.comb += self.register_write.eq(decoding & known & writable & request.write)
        # The memories are far away: their enables come from registers, while the request stays.
        for inside, enable, segment in write_only:
            for s in range(len(enable)):
                m.d.sync += enable[s].eq(decoding & may_write & inside & (segment == s))
        return m
