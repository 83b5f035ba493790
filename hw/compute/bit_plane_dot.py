"""Dot products of narrow integers, bit plane by bit plane."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .compression import Term, compress
from .compressor_tree import CompressorTree

__all__ = ["BitPlaneDot"]

_AND = (0, 0, 0, 1)
_XOR = (0, 1, 1, 0)
_ONE = (0, 1)


class BitPlaneDot(wiring.Component):
    """``total = sum(activations[k] * weights[k] for k in range(count))``, exact, no multiplier.

    A product is the sum of the ANDs of each bit of one factor and each of the other, shifted by both places; the places of
    signs count negative. With binary weights it is the activation or its complement plus one. All bits of all products go
    into one :class:`CompressorTree`.

    Source: QNN, DoReFa-Net and BISMO for bit planes; BWN and YodaNN for binary weights, TWN for ternary ones.

    Parameters
    ----------
    count : int, >= 1
        Products.
    activation_width, weight_width : int, 1..8
        Bits of a value.
    signed_activations, signed_weights : bool
        Two's complement, else from 0 up. Weights of one signed bit are binary: bit b is the value 2b - 1.
    weight_pitch : int, >= weight_width
        Bits from one weight to the next; those in between are not read. 0: ``weight_width``.

    Members
    -------
    activations : In(count * activation_width)
    weights : In(count * weight_pitch)
        Value k is in the bits from ``k * width``, or ``k * weight_pitch``, on.
    total : Out(signed(width))
        As wide as the largest sum needs.

    **Timing.** Latency ``latency`` cycles, that of its tree; a total every cycle.

    **Reset.** Registers are not reset.

    Raises ValueError for a parameter out of range.
    """

    activations: Signal
    weights: Signal
    total: Signal

    def __init__(
        self, count: int, activation_width: int, weight_width: int, *, signed_activations: bool = True,
        signed_weights: bool = True, weight_pitch: int = 0,
    ) -> None:  # fmt: skip
        if count < 1:
            raise ValueError(f"A dot product needs at least one product, not {count}")
        for title, width in (("activation", activation_width), ("weight", weight_width)):
            if not 1 <= width <= 8:
                raise ValueError(f"An {title} has 1 to 8 bits, not {width}".replace("An w", "A w"))
        if signed_activations and activation_width == 1:
            raise ValueError(
                "Activations of one signed bit are binary: take XnorPopcount, or weights and activations exchanged"
            )
        self.count = count
        self.activation_width = activation_width
        self.weight_width = weight_width
        self.weight_pitch = weight_pitch or weight_width
        if self.weight_pitch < weight_width:
            raise ValueError(f"Weights of {weight_width} bits do not fit {weight_pitch} bits")
        self.signed_activations = signed_activations
        self.signed_weights = signed_weights
        factors = _range(activation_width, signed_activations), _range(weight_width, signed_weights)
        products = [a * w for a in factors[0] for w in factors[1]]
        largest = max(count * max(products), -count * min(products) - 1)
        width = largest.bit_length() + 1
        self._sum = (tuple(term for term, _ in self._product()) * count, 0, width)
        self.latency = compress(*self._sum).latency
        super().__init__(
            {
                "activations": In(count * activation_width),
                "weights": In(count * self.weight_pitch),
                "total": Out(signed(width)),
            }
        )

    def _product(self) -> list[tuple[Term, tuple[int | None, int]]]:
        """Terms of a product, each with the places of its bits: activation's (or None) and weight's."""
        planes = range(self.activation_width)
        sign = self.activation_width - 1 if self.signed_activations else None
        if self.signed_weights and self.weight_width == 1:
            # Minus (the activation's bits, different from the weight's, + the weight's), sign extended.
            terms: list[tuple[Term, tuple[int | None, int]]] = [
                (Term(place, _XOR, 1 if place == sign else -1), (place, 0)) for place in planes
            ]
            if sign is None:
                terms.append((Term(self.activation_width, _ONE, 1), (None, 0)))
            return [*terms, (Term(0, _ONE, -1), (None, 0))]
        weight_sign = self.weight_width - 1 if self.signed_weights else None
        return [
            (Term(a + w, _AND, -1 if (a == sign) != (w == weight_sign) else 1), (a, w))
            for w in range(self.weight_width)
            for a in planes
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tree = tree = CompressorTree(*self._sum)
        operands: list[Value] = []
        for product in range(self.count):
            activation = self.activations.word_select(product, self.activation_width)
            weight = self.weights.word_select(product, self.weight_pitch)
            for _, (a, w) in self._product():
                operands += [weight[w]] if a is None else [activation[a], weight[w]]
        m.d.comb += [tree.operands.eq(Cat(operands)), self.total.eq(tree.total)]
        return m


def _range(width: int, is_signed: bool) -> tuple[int, int]:
    """Smallest and largest value."""
    if not is_signed:
        return 0, (1 << width) - 1
    return (-1, 1) if width == 1 else (-(1 << width - 1), (1 << width - 1) - 1)
