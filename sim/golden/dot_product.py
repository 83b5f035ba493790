"""Golden model of the dot product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["dot_product"]


def dot_product(activations: NDArray[np.int8], weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """``sum(activations[..., k] * weights[..., k])``, exact."""
    return (activations.astype(np.int64) * weights.astype(np.int64)).sum(axis=-1)
