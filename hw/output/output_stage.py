"""The output stage: n lanes of requantization between the accumulation buffer and the word packer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..control.delay import copies
from .parameter_store import ParameterStore
from .requantizer import Requantizer

__all__ = ["OutputStage"]


class OutputStage(wiring.Component):
    """n lanes of :class:`ParameterStore` and :class:`Requantizer`, and the exchange of their parameters.

    The parameters of the first output group of a layer, and those that come after the group before has left the lanes,
    are in use four cycles after their ``loaded``; others wait until the group before has left the lanes.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    rows : In(8 * m).array(n), load : In(1), loaded : In(1)
        Parameter rows from the weight buffer; ``loaded`` marks a group's last row. ``load`` and ``loaded`` are given
        one cycle before the row. At least one cycle without ``load`` follows a ``loaded``.
    valid : In(1), group_end : In(1), accumulators : In(signed(accumulator_width)).array(n)
        One pixel, at most one every ``config.pixel_interval`` cycles, the first of a group at least four cycles after
        its ``loaded``; ``group_end`` marks the last pixel of an output group, and the next group's first pixel comes at
        least ``max(config.pixel_interval, gap + 1)`` cycles after it.
    exchanged : Out(1)
        The parameters of the group that ended are free: the sequencer may send those of one more group.
    low, high, pivot : In(signed(8)), wrap : In(1)
        Stable while pixels are under way.
    outputs : Out(8).array(n)

    **Timing.** ``valid`` in cycle t gives ``outputs`` in cycle t + ``latency``, stable until the next pixel.
    ``group_end`` in cycle t gives ``exchanged`` in cycle t + ``gap``.

    **Reset.** No parameters are in use.
    """

    rows: Any
    load: Signal
    loaded: Signal
    valid: Signal
    group_end: Signal
    accumulators: Any
    exchanged: Signal
    low: Signal
    high: Signal
    pivot: Signal
    wrap: Signal
    outputs: Any

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.latency = self.latency_of(config)
        self.gap = self.gap_of(config)
        super().__init__(
            {
                "rows": In(config.word_width).array(config.n),
                "load": In(1),
                "loaded": In(1),
                "valid": In(1),
                "group_end": In(1),
                "accumulators": In(signed(config.accumulator_width)).array(config.n),
                "exchanged": Out(1),
                "low": In(signed(8)),
                "high": In(signed(8)),
                "pivot": In(signed(8)),
                "wrap": In(1),
                "outputs": Out(8).array(config.n),
            }
        )

    @staticmethod
    def latency_of(config: EngineConfig) -> int:
        """Latency in cycles."""
        return Requantizer.latency_of(config)

    @staticmethod
    def gap_of(config: EngineConfig) -> int:
        """Cycles from a group's last pixel to the exchange of its parameters."""
        return Requantizer.hold_of(config)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config

        # The last stage is the exchange itself: it begins to act one cycle before ``exchanged``.
        ended = self.group_end & self.valid
        for stage in range(self.gap):
            if stage == self.gap - 1:
                ending = ended
            following = Signal(name=f"group_end_{stage + 1}")
            m.d.sync += following.eq(ended)
            ended = following
        m.d.comb += self.exchanged.eq(ended)

        # One set of parameters in use, one waiting.
        load = copies(m, self.load, config.n, "load")
        arriving = Signal()
        arrived = Signal()
        m.d.sync += [arriving.eq(self.load & self.loaded), arrived.eq(arriving)]
        in_use = Signal()
        waiting = Signal()
        exchange = Signal()
        with m.If(ending | ~in_use):
            m.d.comb += exchange.eq(waiting | arrived)
            m.d.sync += in_use.eq(exchange)
            m.d.sync += waiting.eq(0)
        with m.Elif(arrived):
            m.d.sync += waiting.eq(1)
        exchanges = copies(m, exchange, config.n, "exchange")

        low = copies(m, self.low, config.n, "low")
        high = copies(m, self.high, config.n, "high")
        pivot = copies(m, self.pivot, config.n if config.nudge else 0, "pivot")
        wrap = copies(m, self.wrap, config.n if config.wrapping else 0, "wrap")
        for lane in range(config.n):
            store = ParameterStore(config)
            requantizer = Requantizer(config)
            m.submodules[f"store_{lane}"] = store
            m.submodules[f"requantizer_{lane}"] = requantizer
            m.d.comb += [
                store.row.eq(self.rows[lane]),
                store.load.eq(load[lane]),
                store.exchange.eq(exchanges[lane]),
                requantizer.valid.eq(self.valid),
                requantizer.accumulator.eq(self.accumulators[lane]),
                requantizer.multiplier.eq(store.multiplier),
                requantizer.offset.eq(store.offset),
                requantizer.shift_code.eq(store.shift_code),
                requantizer.low.eq(low[lane].as_signed()),
                requantizer.high.eq(high[lane].as_signed()),
                requantizer.pivot.eq(pivot[lane].as_signed() if config.nudge else 0),
                requantizer.wrap.eq(wrap[lane] if config.wrapping else 0),
                self.outputs[lane].eq(requantizer.output),
            ]
        return m
