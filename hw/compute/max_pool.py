"""The max-pooling array: a running maximum for each byte of p windows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..control.delay import copies

__all__ = ["MaxPoolArray"]


class MaxPoolArray(wiring.Component):
    """``held[i][k] = max over the steps since the last ``last`` of windows[i][k]``, int8.

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``m``.

    Members
    -------
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
        lowest = int.from_bytes(b"\x80" * config.m)
        held = [Signal(config.word_width, name=f"held_{i}", reset_less=True) for i in range(config.p)]
        valid = copies(m, self.valid & ~self.last, config.p, "valid", reset_less=False)
        last = copies(m, self.valid & self.last, config.p, "last", reset_less=False)
        for i in range(config.p):
            arrived = Signal(config.word_width, name=f"arrived_{i}", reset_less=True)
            m.d.sync += arrived.eq(self.windows[i])
            running = Signal(config.word_width, name=f"running_{i}", init=lowest)
            larger = Signal(config.word_width, name=f"larger_{i}")
            for k in range(config.m):
                old = running.word_select(k, 8)
                new = arrived.word_select(k, 8)
                keep = old.as_signed() > new.as_signed()
                m.d.comb += larger.word_select(k, 8).eq(Mux(keep, old, new))
            with m.If(last[i]):
                m.d.sync += [held[i].eq(larger), running.eq(lowest)]
            with m.Elif(valid[i]):
                m.d.sync += running.eq(larger)
        with m.Switch(self.pixel):
            for i in range(config.p):
                with m.Case(i):
                    m.d.sync += self.word.eq(held[i])
        return m
