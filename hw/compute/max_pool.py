"""The max-pooling array: a running maximum for each value in p windows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..control.delay import copies
from ..formats import FORMATS

__all__ = ["MaxPoolArray"]


def _maxima(old: Signal, new: Signal, width: int, *, signed: bool = True) -> Value:
    """The larger of two values at each place of ``width`` bits; single bits are without a sign."""
    if width == 1:
        return old | new
    parts = []
    for k in range(len(old) // width):
        one, other = old.word_select(k, width), new.word_select(k, width)
        larger = one.as_signed() > other.as_signed() if signed else one > other
        parts.append(Mux(larger, one, other))
    return Cat(parts)


class MaxPoolArray(wiring.Component):
    """``held[i][k] = max over the steps since the last ``last`` of windows[i][k]``, k a value of the word.

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``m``, ``output_formats``.

    Members
    -------
    format : In(range(len(output_formats)))
        How the words are read; stable from a maximum's first step until it is held. In a binary word it is the OR.
    windows : In(8 * m).array(p)
    valid, last : In(1)
        A step takes part when ``valid``; ``last`` moves the maximum to the held half and starts a new one.
    pixel : In(range(p))
    word : Out(8 * m)
        The held maximum of window ``pixel``.

    **Timing.** ``windows``, ``valid``, ``last`` in cycle t: the held half shows the result from cycle t + ``latency``.
    ``pixel`` in cycle t selects ``word`` in cycle t + 1. The held half stays until the result of the next ``last``.

    **Reset.** A new maximum starts; the held half is not reset.
    """

    format: Signal
    windows: Any
    valid: Signal
    last: Signal
    pixel: Signal
    word: Signal

    latency = 2

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "format": In(range(len(config.output_formats))),
                "windows": In(config.word_width).array(config.p),
                "valid": In(1),
                "last": In(1),
                "pixel": In(range(config.p)),
                "word": Out(config.word_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        # With bytes alone, they are in offset binary inside: comparisons without signs, and the lowest value is 0.
        plain = config.output_formats == ("int8",)
        sign = int.from_bytes(b"\x80" * config.m) if plain else 0
        held = [Signal(config.word_width, name=f"held_{i}", reset_less=True) for i in range(config.p)]
        valid = copies(m, self.valid, config.p, "valid")
        last = copies(m, self.valid & self.last, config.p, "last", reset_less=False, init=1)
        for i in range(config.p):
            arrived = Signal(config.word_width, name=f"arrived_{i}", reset_less=True)
            m.d.sync += arrived.eq(self.windows[i] ^ sign)
            running = Signal(config.word_width, name=f"running_{i}", reset_less=True)
            larger = Signal(config.word_width, name=f"larger_{i}")
            if plain:
                m.d.comb += larger.eq(_maxima(running, arrived, 8, signed=False))
            else:
                # The lowest value of one format is none of another: a flag begins the maximum.
                begun = Signal(name=f"begun_{i}", reset_less=True)
                with m.If(valid[i]):
                    m.d.sync += begun.eq(1)
                with m.If(last[i]):
                    m.d.sync += begun.eq(0)
                with m.Switch(self.format):
                    for number, name in enumerate(config.output_formats):
                        with m.Case(number):
                            maxima = _maxima(running, arrived, FORMATS[name].width)
                            m.d.comb += larger.eq(Mux(begun, maxima, arrived))
            with m.If(valid[i]):
                m.d.sync += running.eq(larger)
            with m.If(last[i]):
                m.d.sync += [held[i].eq(larger), running.eq(0)]
        word = Signal(config.word_width, reset_less=True)
        with m.Switch(self.pixel):
            for i in range(config.p):
                with m.Case(i):
                    m.d.sync += word.eq(held[i] ^ sign)
        m.d.comb += self.word.eq(word)
        return m
