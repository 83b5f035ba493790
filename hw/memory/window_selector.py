"""The window selector: p neighbours from p banks at any start, with padding."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..control.delay import copies

__all__ = ["WindowSelector"]


class WindowSelector(wiring.Component):
    """``windows[i] = inside[i] ? words[(bank + i) mod p] : the pad byte in all m places``, 0 where ``keep`` is 0.

    Source: the window-selection feature buffer of the draft paper on an accelerator with a resistive-RAM weight buffer
    (section 3): bank = x mod p, address increment, rotator.

    The rotator has a registered stage for each bit of the bank number (rotations modulo p add up for any p), so that each
    stage is one 2:1 multiplexer a bit.

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``m``, ``masking``.

    Members
    -------
    words : In(8 * m).array(p)
        What the banks of the feature buffer hold.
    bank : In(range(p))
        Bank of the window's first pixel; given one cycle before ``words``.
    inside : In(p)
        Bit i: pixel i lies inside the map. Given ``latency - 1`` cycles after ``words``.
    pad : In(8)
        Value of the padding, given with ``inside``: the zero point, or -128 for max pooling.
    keep : In(m)
        Bit k: byte k of the windows holds channels. Given with ``inside``. Only with ``config.masking``.
    rotated : Out(8 * m)
        The unmasked word of pixel 0, ``latency - 1`` cycles after ``words`` (the host reads through it).
    windows : Out(8 * m).array(p)

    **Timing.** ``bank`` in cycle t - 1 and ``words`` in cycle t give ``windows`` in cycle t + ``latency``, which is
    ``ceil_log2(p) + 1``; a window every cycle.

    **Reset.** Registers are not reset.
    """

    words: Any
    bank: Signal
    inside: Signal
    pad: Signal
    keep: Signal
    rotated: Signal
    windows: Any

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.latency = self.latency_of(config)
        keep = {"keep": In(config.m)} if config.masking else {}
        super().__init__(
            {
                **keep,
                "words": In(config.word_width).array(config.p),
                "bank": In(range(config.p)),
                "inside": In(config.p),
                "pad": In(8),
                "rotated": Out(config.word_width),
                "windows": Out(config.word_width).array(config.p),
            }
        )

    @staticmethod
    def latency_of(config: EngineConfig) -> int:
        """Latency in cycles."""
        return config.bank_bits + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        words = list(self.words)
        # Each pixel has its own copy of the bank number: one alone would drive every multiplexer.
        banks = copies(m, self.bank, config.p, "bank")
        for bit in range(config.bank_bits):
            stage = [Signal(config.word_width, name=f"rotated_{bit}_{i}", reset_less=True) for i in range(config.p)]
            following = []
            for i in range(config.p):
                m.d.sync += stage[i].eq(Mux(banks[i][bit], words[(i + (1 << bit)) % config.p], words[i]))
                following += copies(m, banks[i], 1, f"bank_{bit}_{i}") if bit + 1 < config.bank_bits else []
            words, banks = stage, following
        for i in range(config.p):
            value = Mux(self.inside[i], words[i], self.pad.replicate(config.m))
            if config.masking:
                value = value & Cat(self.keep[k].replicate(8) for k in range(config.m))
            window = Signal(config.word_width, name=f"window_{i}", reset_less=True)
            m.d.sync += window.eq(value)
            m.d.comb += self.windows[i].eq(window)
        m.d.comb += self.rotated.eq(words[0])
        return m
