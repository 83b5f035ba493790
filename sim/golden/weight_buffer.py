"""Golden model of the weight buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["WeightBufferModel"]


class WeightBufferModel:
    """``depth`` words of n rows of m bytes, written in segments of four bytes."""

    def __init__(self, n: int, m: int, depth: int) -> None:
        self.n, self.m = n, m
        self.segments = -(-n * m // 4)
        self.bytes = np.zeros((depth, 4 * self.segments), np.uint8)

    def write(self, address: int, data: int, enable: int) -> None:
        """Write ``data`` into each segment whose bit in ``enable`` is set."""
        for segment in range(self.segments):
            if enable >> segment & 1:
                self.bytes[address, 4 * segment : 4 * segment + 4] = list(data.to_bytes(4, "little"))

    def read(self, address: int) -> NDArray[np.uint8]:
        """The rows of a word, (n, m)."""
        return self.bytes[address, : self.n * self.m].reshape(self.n, self.m).copy()
