"""The window selector: p neighbours from p banks at any start, with padding."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig

__all__ = ["WindowSelector"]


class WindowSelector(wiring.Component):
    """``windows[i] = inside[i] ? words[(bank + i) mod p] : the pad byte in all m places``.

    Source: window-selection feature buffer (seed paper 001, section 3): bank = x mod p, address increment, rotator.

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``m``.

    Members
    -------
    words : In(8 * m).array(p)
        What the banks of the feature buffer hold.
    bank : In(range(p))
        Bank of the window's first pixel.
    inside : In(p)
        Bit i: pixel i lies inside the map. Given one cycle after ``words`` and ``bank``.
    pad : In(8)
        Value of the padding: the zero point, or -128 for max pooling.
    rotated : Out(8 * m)
        The unmasked word of pixel 0, one cycle after ``words`` (the host reads through it).
    windows : Out(8 * m).array(p)

    **Timing.** ``words`` and ``bank`` in cycle t and ``inside`` in cycle t + 1 give ``windows`` in cycle t + 2; a window every
    cycle.

    **Reset.** Registers are not reset.
    """

    words: Any
    bank: Signal
    inside: Signal
    pad: Signal
    rotated: Signal
    windows: Any

    latency = 2

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "words": In(config.word_width).array(config.p),
                "bank": In(range(config.p)),
                "inside": In(config.p),
                "pad": In(8),
                "rotated": Out(config.word_width),
                "windows": Out(config.word_width).array(config.p),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        rotated = [Signal(config.word_width, name=f"rotated_{i}", reset_less=True) for i in range(config.p)]
        with m.Switch(self.bank):
            for bank in range(config.p):
                with m.Case(bank):
                    for i in range(config.p):
                        m.d.sync += rotated[i].eq(self.words[(bank + i) % config.p])
        for i in range(config.p):
            m.d.sync += self.windows[i].eq(Mux(self.inside[i], rotated[i], self.pad.replicate(config.m)))
        m.d.comb += self.rotated.eq(rotated[0])
        return m
