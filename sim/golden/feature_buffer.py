"""Golden model of the feature buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeatureBufferModel"]


class FeatureBufferModel:
    """``depth`` addresses of p words of m bytes; the words of an address are neighbours, one a bank."""

    def __init__(self, p: int, m: int, depth: int) -> None:
        self.p = p
        self.words = np.zeros((depth, p, m), np.int8)

    def write(self, address: int, bank: int, data: NDArray[np.int8], enable: int) -> None:
        """Write the bytes of ``data`` whose bit in ``enable`` is set."""
        for byte in range(self.words.shape[2]):
            if enable >> byte & 1:
                self.words[address, bank, byte] = data[byte]

    def place(self, address: int, bank: int, pixel: int) -> tuple[int, int]:
        """Address and bank of the word ``pixel`` words after (address, bank)."""
        further, place = divmod(bank + pixel, self.p)
        return address + further, place

    def read(self, address: int, bank: int) -> dict[int, NDArray[np.int8]]:
        """The p words from (address, bank) on, by bank; those after the last address are missing."""
        found = {}
        for pixel in range(self.p):
            at, place = self.place(address, bank, pixel)
            if at < len(self.words):
                found[place] = self.words[at, place].copy()
        return found
