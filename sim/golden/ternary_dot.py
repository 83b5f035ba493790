"""Golden model of the ternary dot product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...hw.formats import TERNARY

__all__ = ["ternary_dot"]


def ternary_dot(activations: NDArray[np.uint8], weights: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sum of the products of the ternary values in the bytes of the last axis. Raises ValueError for a code 10."""
    values = [TERNARY.unpack(data).astype(np.int64) for data in (activations, weights)]
    if min(value.min() for value in values) < TERNARY.low:
        raise ValueError("code 10 is no ternary value")
    return (values[0] * values[1]).sum(axis=-1)
