"""Golden model of the MAC array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...hw.products import PRODUCTS, Product
from .paired_dot import paired_dot

__all__ = ["mac_array"]


def mac_array(
    windows: NDArray[np.int8], weights: NDArray[np.int8], product: Product = PRODUCTS["int8xint8"], *, paired: bool = False
) -> NDArray[np.int64]:
    """``sums[i * n + j] = dot(windows[i], weights[j])`` for windows (p, m) and weights (n, m) of bytes, read as ``product``
    says; where it counts, the number of equal pairs; where it is ``paired``, with the weights' surplus."""
    if paired:
        each, row = np.broadcast_arrays(windows.view(np.uint8)[:, None], weights.view(np.uint8)[None])
        return paired_dot(each, row, not product.counts).reshape(-1)
    windows = product.activations.unpack(windows.view(np.uint8))
    places = 8 // product.activations.width  # of weights in a byte, each in the lowest bits of its place
    spread = weights.view(np.uint8)[..., None] >> np.arange(0, 8, 8 // places).astype(np.uint8)
    weights = product.weights.unpack(spread.reshape(*weights.shape[:-1], -1))[..., :: 8 // product.weights.width]
    if product.counts:
        return (windows[:, None] == weights[None]).sum(-1).reshape(-1)
    return (windows.astype(np.int64) @ weights.astype(np.int64).T).reshape(-1)
