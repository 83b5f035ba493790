"""Golden model of the dot product of int8 activations and ternary weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ternary_weight_dot"]


def ternary_weight_dot(activations: NDArray[np.int8], weights: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sum of the activations whose weight byte ends in 01, minus the sum of those where it ends in 11.

    Raises ValueError for a weight that ends in 10.
    """
    codes = weights & 3
    if (codes == 2).any():
        raise ValueError("code 10 is no ternary value")
    values = activations.astype(np.int64)
    return (np.where(codes == 1, values, 0) - np.where(codes == 3, values, 0)).sum(axis=-1)
