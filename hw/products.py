"""Pairs of number formats that a word of activations and a row of weights can be multiplied in."""

from __future__ import annotations

from dataclasses import dataclass

from .formats import BINARY, INT4, INT8, TERNARY, NumberFormat

__all__ = ["PRODUCTS", "Product"]


@dataclass(frozen=True)
class Product:
    """A dot product of a word of activations and a row of weights, both of m bytes.

    Weight k belongs to activation k and lies in the lowest bits of the same place: a row with narrower weights than
    activations has gaps. The dot product is the sum of all products or, if ``counts``, how many pairs are equal.

    Parameters
    ----------
    activations, weights : NumberFormat
    """

    activations: NumberFormat
    weights: NumberFormat

    @property
    def name(self) -> str:
        """As in the configuration: "int8xbinary"."""
        return f"{self.activations.name}x{self.weights.name}"

    @property
    def counts(self) -> bool:
        """Whether the dot product counts equal pairs: with values of -1 and 1 the sum of products is twice that number,
        minus that of all pairs."""
        return self.activations.width == 1

    def largest(self, m: int) -> int:
        """The largest magnitude of a dot product."""
        pairs = self.activations.values(m)
        return pairs if self.counts else pairs * self.activations.low * self.weights.low

    @property
    def zero(self) -> bool:
        """Whether a weight can be 0, so that activations without a meaning do not matter."""
        return 0 in self.weights.members


PRODUCTS = {
    product.name: product
    for product in (
        Product(INT8, INT8),
        Product(INT4, INT4),
        Product(TERNARY, TERNARY),
        Product(BINARY, BINARY),
        Product(INT8, TERNARY),
        Product(INT8, BINARY),
    )
}
"""All products by name."""
