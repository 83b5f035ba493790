"""Golden model of the accumulation buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["AccumulationBufferModel"]


class AccumulationBufferModel:
    """Running sums of ``depth`` pixel groups, p x n each, that wrap at ``width`` bits; and the finished ones.

    ``finished[slot]`` is None until the slot's first sum is complete.
    """

    def __init__(self, p: int, n: int, depth: int, width: int) -> None:
        self.width = width
        self.running = np.zeros((depth, p, n), np.int64)
        self.finished: list[NDArray[np.int64] | None] = [None] * depth

    def step(self, slot: int, sums: NDArray[np.int64], last: bool, scale: bool = False) -> None:
        """Add ``sums``, (p, n), to a slot, 256-fold with ``scale``; with ``last`` its sum is complete and the next one
        starts at 0."""
        half = 1 << self.width - 1
        total = (self.running[slot] + (256 * sums if scale else sums) + half) % (2 * half) - half
        self.running[slot] = 0 if last else total
        if last:
            self.finished[slot] = total
