"""A layer's weights as the bytes of the weight memory, and what paired products add to its sums for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..hw.memory.map_layout import MapLayout
from ..hw.products import PRODUCTS, Product

__all__ = ["layer_surplus", "packed_weights", "surplus"]

_BINARY_BYTES = {-1: 0x80, 1: 0x7F}
"""A binary weight of a map of bytes fills its place, so that each of its bits is compared with one of the activation."""
_NO_WEIGHT = 0x3F
"""Two such bytes beside each other have no surplus."""


def packed_weights(weights: NDArray[np.int8], product: Product, source: MapLayout) -> NDArray[np.uint8]:
    """Weights (outputs, rows, columns, channels) as bytes, channels filled up to whole words of the map ``source``."""
    return _packed(weights, product, source.words * source.word_channels)


def _packed(weights: NDArray[np.int8], product: Product, places: int) -> NDArray[np.uint8]:
    """A channel that does not exist adds nothing to a sum: its weight is 0 or, for binary maps, 1, which never equals the
    code 0 that its place in the map holds or is masked to; masked bytes are 0."""
    stored, given = product.activations, product.weights
    absent = int(product.counts)
    codes = np.array([given.encode(value) if value in given.members else 0 for value in range(-128, 128)], np.uint8)
    if product is PRODUCTS["int8xbinary"]:
        absent = _NO_WEIGHT
        for value, byte in _BINARY_BYTES.items():
            codes[value + 128] = byte
    padded = np.full((*weights.shape[:3], places), absent, np.uint8)
    padded[..., : weights.shape[-1]] = codes[weights.astype(np.int16) + 128]
    shifts = np.arange(0, 8, stored.width, dtype=np.uint8)
    parts = padded.reshape(*weights.shape[:3], -1, len(shifts)) << shifts
    return np.bitwise_or.reduce(parts, axis=-1).astype(np.uint8)


def surplus(rows: NDArray[np.uint8], product: Product) -> NDArray[np.int64]:
    """What a paired product (hw/compute/paired_dot.py) adds to the dot product for these weights, an even number of bytes
    in the last axis: its total for activations of which the dot product is 0."""
    differences = rows[..., ::2] ^ rows[..., 1::2]
    if product.counts:
        return np.unpackbits(differences, axis=-1).sum(axis=-1, dtype=np.int64)
    equal = (~rows).sum(axis=-1, dtype=np.int64)  # to activations of 0
    return equal + differences.sum(axis=-1, dtype=np.int64) - 192 * rows.shape[-1]


def layer_surplus(weights: NDArray[np.int8], product: Product) -> NDArray[np.int64]:
    """The surplus of each output's sums: the same in all engines with an even number of bytes in a word."""
    places = 16 // product.activations.width
    packed = _packed(weights, product, -(-weights.shape[-1] // places) * places)
    return surplus(packed, product).sum((1, 2))
