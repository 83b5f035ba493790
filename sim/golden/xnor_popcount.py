"""Golden model of the binary dot product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["xnor_popcount"]


def xnor_popcount(activations: NDArray[np.uint8], weights: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many bits of the bytes in the last axis are equal."""
    different = np.unpackbits(activations ^ weights, axis=-1).sum(axis=-1, dtype=np.int64)
    equal: NDArray[np.int64] = 8 * activations.shape[-1] - different
    return equal
