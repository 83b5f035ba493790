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
        """Whether a weight can be 0."""
        return 0 in self.weights.members

    @property
    def masking(self) -> bool:
        """Whether bytes behind a map's last channel must be cleared: no weight is 0, or, with ternary activations, they may
        hold a code that has no meaning, whose product with 0 is undefined."""
        return not self.zero or len(self.activations.members) < 1 << self.activations.width


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
