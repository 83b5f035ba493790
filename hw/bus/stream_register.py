"""A register in a stream that cuts every path between its two sides."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamRegister"]


class StreamRegister(wiring.Component):
    """The same payloads in the same order, at most one every second cycle.

    Parameters
    ----------
    shape : shape-like
        Of the payload.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)

    **Timing**: a payload appears one cycle after it is taken; the next one is taken when it has left. ``i.ready`` and
    all of ``o`` come from registers.

    **Reset**: no payload.
    """

    i: Any
    o: Any

    latency = 1

    def __init__(self, shape: Any) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kept = Signal(self.i.payload.shape(), reset_less=True)
        m.d.comb += [self.i.ready.eq(~self.o.valid), self.o.payload.eq(kept)]
        # Whatever stands there while the register is free may enter it: only ``valid`` waits for the other side.
        with m.If(~self.o.valid):
            m.d.sync += [kept.eq(self.i.payload), self.o.valid.eq(self.i.valid)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
