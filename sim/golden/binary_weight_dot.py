"""Golden model of the dot product of int8 activations and binary weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["binary_weight_dot"]


def binary_weight_dot(activations: NDArray[np.int8], weights: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sum of the activations whose weight byte has bit 0 set, minus the sum of the others."""
    values = activations.astype(np.int64)
    return np.where(weights & 1, values, -values).sum(axis=-1)
