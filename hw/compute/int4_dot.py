"""The 4-bit dot product."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bit_plane_dot import BitPlaneDot

__all__ = ["Int4Dot"]


class Int4Dot(wiring.Component):
    """``total = sum(activations[k] * weights[k])`` over the ``2 * m`` nibbles of two words, in look-up tables.

    Source: the MAC array's dot product at a word of 4-bit values.

    Parameters
    ----------
    m : int, >= 1
        Bytes of a word.

    Members
    -------
    activations, weights : In(8 * m)
        Two's complement nibbles (format ``int4``).
    total : Out(signed(bits of 128 * m, + 1))

    **Timing.** Latency ``latency`` cycles; a total every cycle.

    **Reset.** Registers are not reset.
    """

    activations: Signal
    weights: Signal
    total: Signal

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"A word has at least one byte, not {m}")
        self.m = m
        self._dot = BitPlaneDot(2 * m, 4, 4)
        self.latency = self._dot.latency
        super().__init__({"activations": In(8 * m), "weights": In(8 * m), "total": Out(signed(len(self._dot.total)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.dot = self._dot
        m.d.comb += [
            self._dot.activations.eq(self.activations),
            self._dot.weights.eq(self.weights),
            self.total.eq(self._dot.total),
        ]
        return m
