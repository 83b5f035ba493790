"""Golden model of the MAC array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mac_array"]


def mac_array(windows: NDArray[np.int8], weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """``sums[i * n + j] = dot(windows[i], weights[j])`` for windows (p, m) and weights (n, m)."""
    return (windows.astype(np.int64) @ weights.astype(np.int64).T).reshape(-1)
