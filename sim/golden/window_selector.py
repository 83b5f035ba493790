"""Golden model of the window selector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["window_selector"]


def window_selector(words: NDArray[np.int8], bank: int, inside: int, pad: int, keep: int = -1) -> NDArray[np.int8]:
    """p windows of m bytes from the words of p banks: the first from ``bank``, ``pad`` where bit i of ``inside`` is 0; bytes
    whose bit of ``keep`` is 0 are 0."""
    windows = np.roll(words, -bank, axis=0)
    for pixel in range(len(windows)):
        if not inside >> pixel & 1:
            windows[pixel] = pad
    for byte in range(windows.shape[1]):
        if not keep >> byte & 1:
            windows[:, byte] = 0
    return windows
