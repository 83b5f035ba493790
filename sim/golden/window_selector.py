"""Golden model of the window selector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["window_selector"]


def window_selector(words: NDArray[np.int8], bank: int, inside: int, pad: int) -> NDArray[np.int8]:
    """p windows of m bytes from the words of p banks: the first from ``bank``, ``pad`` where bit i of ``inside`` is 0."""
    windows = np.roll(words, -bank, axis=0)
    for pixel in range(len(windows)):
        if not inside >> pixel & 1:
            windows[pixel] = pad
    return windows
