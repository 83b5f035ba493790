"""Golden model of the 4-bit dot product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...hw.formats import INT4

__all__ = ["int4_dot"]


def int4_dot(activations: NDArray[np.uint8], weights: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sum of the products of the nibbles in the bytes of the last axis."""
    return (INT4.unpack(activations).astype(np.int64) * INT4.unpack(weights)).sum(axis=-1)
