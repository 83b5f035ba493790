"""The ternary dot product."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .compression import Term, compress
from .compressor_tree import CompressorTree

__all__ = ["TernaryDot"]


def _product(index: int) -> int:
    """The product for the input bits a1, w1, a0, w0; where a code is 10, the product of the signs alone."""
    a1, w1, a0, w0 = (index >> place & 1 for place in range(4))
    if a1 > a0 or w1 > w0:
        return -(a1 ^ w1)
    return (a0 - 2 * a1) * (w0 - 2 * w1)


_WHOLE = Term(0, tuple(1 + _product(index) for index in range(16)))
"""A product plus 1: all that one carry cell can add."""
_ZERO = Term(0, (1, 1, 1, 0))
_POSITIVE = Term(1, tuple(int(index >> 2 == 3 and _product(index) > 0) for index in range(16)))
"""A product plus 1 is 1 where it is zero and 2 where it is positive."""


class TernaryDot(wiring.Component):
    """``total = sum(activations[k] * weights[k])`` over the ``4 * m`` ternary values of two words.

    Products are taken in pairs. Of a pair, one is a whole carry cell: product + 1 is 0, 1 or 2. The other is split into the
    bits "zero", which is the carry into that cell, and "positive".

    Source: ternary networks with ternary activations (Alemdar et al.; Prost-Boucle et al.).

    Parameters
    ----------
    m : int, >= 1
        Bytes of a word.

    Members
    -------
    activations, weights : In(8 * m)
        Codes 11, 00 and 01 (format ``ternary``). With a code 10 in either word the total is undefined.
    total : Out(signed(bits of 4 * m, + 1))

    **Timing.** Latency ``latency`` cycles, that of its :class:`CompressorTree`; a total every cycle.

    **Reset.** Registers are not reset.
    """

    activations: Signal
    weights: Signal
    total: Signal

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"A word has at least one byte, not {m}")
        count = 4 * m
        width = count.bit_length() + 1
        self.m = m
        self._sum = ((_WHOLE, _ZERO, _POSITIVE) * (count // 2), -count, width)
        self.latency = compress(*self._sum).latency
        super().__init__({"activations": In(8 * m), "weights": In(8 * m), "total": Out(signed(width))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tree = tree = CompressorTree(*self._sum)
        operands: list[Value] = []
        for product in range(4 * self.m):
            a, w = self.activations.word_select(product, 2), self.weights.word_select(product, 2)
            if product % 2:
                operands += [a[0], w[0]]
            operands += [a[1], w[1], a[0], w[0]]
        m.d.comb += [tree.operands.eq(Cat(operands)), self.total.eq(tree.total)]
        return m
