"""A register in a byte stream that cuts every path between its two sides."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ByteRegister"]


class ByteRegister(wiring.Component):
    """The same bytes in the same order, at most one every second cycle.

    Members
    -------
    i : In(stream of 8 bits)
    o : Out(stream of 8 bits)

    **Timing**: a byte appears one cycle after it is taken; the next one is taken when it has left. ``i.ready`` and
    ``o.valid`` come from a register.

    **Reset**: no byte.
    """

    i: Any
    o: Any

    latency = 1

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kept = Signal(8, reset_less=True)
        m.d.comb += [self.i.ready.eq(~self.o.valid), self.o.payload.eq(kept)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [kept.eq(self.i.payload), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
