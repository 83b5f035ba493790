"""Number formats: how the bytes of a word are read. The judge and the defendant share this definition, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INT8", "NumberFormat"]


@dataclass(frozen=True)
class NumberFormat:
    """A way to read a word.

    Parameters
    ----------
    name : str
    width : int
        Bits of a value.
    low, high : int
        Smallest and largest value.
    """

    name: str
    width: int
    low: int
    high: int

    def values(self, word_bytes: int) -> int:
        """Values in a word of ``word_bytes`` bytes."""
        return 8 * word_bytes // self.width


INT8 = NumberFormat("int8", 8, -128, 127)
"""Two's complement bytes; a byte is a value."""
