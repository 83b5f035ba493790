"""Number formats: how the bits of a word are read. The judge and the defendant share these definitions, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINARY", "FORMATS", "INT4", "INT8", "TERNARY", "NumberFormat"]


@dataclass(frozen=True)
class NumberFormat:
    """A way to read a word.

    A word of m bytes holds ``8 * m // width`` values; value k is the code in bits ``k * width`` and up, so the first
    value is in the lowest bits of the first byte. A code is two's complement, but for binary: bit b is the value
    ``2 * b - 1``.

    Parameters
    ----------
    name : str
    width : int
        Bits of a value: 1, 2, 4 or 8.
    low, high : int
        Smallest and largest value.
    """

    name: str
    width: int
    low: int
    high: int

    @property
    def members(self) -> tuple[int, ...]:
        """All values, ascending."""
        return (-1, 1) if self.width == 1 else tuple(range(self.low, self.high + 1))

    def values(self, word_bytes: int) -> int:
        """Values in a word of ``word_bytes`` bytes."""
        return 8 * word_bytes // self.width

    def decode(self, code: int) -> int:
        """The value of a code, which is 0 to ``2**width - 1``.

        Ternary code 10 reads as -2, which is no value of the format: what hardware makes of it is undefined.
        """
        if self.width == 1:
            return 2 * code - 1
        return code - (code >> self.width - 1 << self.width)

    def encode(self, value: int) -> int:
        """The code of a value. Raises ValueError for a value that the format does not have."""
        if value not in self.members:
            raise ValueError(f"{value} is no {self.name} value")
        return (value + 1) // 2 if self.width == 1 else value % (1 << self.width)

    def unpack(self, data: NDArray[np.uint8]) -> NDArray[np.int8]:
        """The values in the bytes of the last axis, which becomes ``8 / width`` times as long."""
        table = np.array([self.decode(code) for code in range(1 << self.width)], np.int8)
        shifts = np.arange(0, 8, self.width, dtype=np.uint8)
        codes = (data[..., np.newaxis] >> shifts) & np.uint8((1 << self.width) - 1)
        values: NDArray[np.int8] = table[codes].reshape(*data.shape[:-1], -1)
        return values

    def pack(self, values: NDArray[np.int8]) -> NDArray[np.uint8]:
        """The bytes that hold the values of the last axis; what is left of the last byte is code 0.

        Raises ValueError for values that the format does not have.
        """
        if not np.isin(values, self.members).all():
            raise ValueError(f"{values[~np.isin(values, self.members)][0]} is no {self.name} value")
        codes = ((values + 1) // 2 if self.width == 1 else values).astype(np.int8).view(np.uint8)
        each = 8 // self.width
        count = values.shape[-1]
        padded = np.zeros((*values.shape[:-1], -(-count // each) * each), np.uint8)
        padded[..., :count] = codes & np.uint8((1 << self.width) - 1)
        shifts = np.arange(0, 8, self.width, dtype=np.uint8)
        parts = padded.reshape(*values.shape[:-1], -1, each) << shifts
        return np.bitwise_or.reduce(parts, axis=-1).astype(np.uint8)


INT8 = NumberFormat("int8", 8, -128, 127)
"""Two's complement bytes."""

INT4 = NumberFormat("int4", 4, -8, 7)
"""Two's complement nibbles."""

TERNARY = NumberFormat("ternary", 2, -1, 1)
"""Codes 11, 00 and 01 for -1, 0 and 1."""

BINARY = NumberFormat("binary", 1, -1, 1)
"""Bits 0 and 1 for -1 and 1. There is no zero."""

FORMATS = {number_format.name: number_format for number_format in (INT8, INT4, TERNARY, BINARY)}
"""All formats by name."""
