"""A dot product in any pair of number formats, plainly."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..products import Product
from .adder_tree import AdderTree

__all__ = ["PortableDot"]


class PortableDot(wiring.Component):
    """``total = sum(activation[k] * weight[k])``, exact, or the number of equal pairs (:class:`Product`).

    Parameters
    ----------
    m : int, >= 1
        Bytes of a word.
    product : Product
        Any but int8xint8.

    Members
    -------
    activations, weights : In(8 * m)
    total : Out(signed)

    **Timing.** Latency ``1 + ceil_log2(pairs)`` cycles (attribute ``latency``); a result every cycle.

    **Reset.** Registers are not reset.
    """

    activations: Signal
    weights: Signal
    total: Signal

    def __init__(self, m: int, product: Product) -> None:
        self.product = product
        self.pairs = product.activations.values(m)
        self.latency = self.latency_of(m, product)
        super().__init__(
            {
                "activations": In(8 * m),
                "weights": In(8 * m),
                "total": Out(signed(product.largest(m).bit_length() + 1)),
            }
        )

    @staticmethod
    def latency_of(m: int, product: Product) -> int:
        """Latency in cycles."""
        return 1 + ceil_log2(product.activations.values(m))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width, narrow = self.product.activations.width, self.product.weights.width
        term_width = 2 if width == 1 else width + 1 if narrow < 4 else 2 * width
        m.submodules.tree = tree = AdderTree(self.pairs, term_width)
        for k in range(self.pairs):
            value = self.activations.word_select(k, width)
            weight = self.weights.word_select(k, width)[:narrow]
            signed_value = value.as_signed()
            term: Any
            if width == 1:
                term = ~(value ^ weight)
            elif narrow == 1:
                term = Mux(weight, signed_value, -signed_value)
            elif narrow == 2:
                term = Mux(weight[0], Mux(weight[1], -signed_value, signed_value), 0)
            else:
                term = signed_value * weight.as_signed()
            register = Signal(signed(term_width), name=f"term_{k}", reset_less=True)
            m.d.sync += register.eq(term)
            m.d.comb += tree.terms[k].eq(register)
        m.d.comb += self.total.eq(tree.total)
        return m
