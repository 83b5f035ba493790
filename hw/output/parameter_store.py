"""The requantization parameters of one lane: those in use, and the next output group's, loaded in advance."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig

__all__ = ["ParameterStore"]


class ParameterStore(wiring.Component):
    """Collects ``parameter_words`` rows, least significant first, into (multiplier, offset, shift code).

    The rows come from the weight buffer, in front of the output group's weights. They go to a second set of
    registers and replace the parameters in use with ``exchange``.

    Parameters
    ----------
    config : EngineConfig
        ``m``, ``multiplier_width``, ``offset_width``, ``parameter_words``.

    Members
    -------
    row : In(8 * m), load : In(1)
        One row of parameters.
    exchange : In(1)
        Puts the loaded parameters to use: the rows of all cycles before this one.
    multiplier : Out(multiplier_width), offset : Out(signed(offset_width)), shift_code : Out(shift_code_width)
        The parameters in use.

    **Timing.** ``exchange`` in cycle t changes the outputs in cycle t + 1. A row every cycle.

    **Reset.** Registers are not reset.
    """

    row: Signal
    load: Signal
    exchange: Signal
    multiplier: Signal
    offset: Signal
    shift_code: Signal

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "row": In(config.word_width),
                "load": In(1),
                "exchange": In(1),
                "multiplier": Out(config.multiplier_width),
                "offset": Out(signed(config.offset_width)),
                "shift_code": Out(config.shift_code_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        loaded = Signal(config.word_width * config.parameter_words, reset_less=True)
        in_use = Signal(config.parameter_width, reset_less=True)
        with m.If(self.load):
            m.d.sync += loaded.eq(Cat(loaded, self.row)[config.word_width :])
        with m.If(self.exchange):
            m.d.sync += in_use.eq(loaded)
        m.d.comb += Cat(self.multiplier, self.offset, self.shift_code).eq(in_use)
        return m
