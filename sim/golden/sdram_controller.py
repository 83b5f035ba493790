"""Golden model of a memory behind its port: words in, words out, in the order of the bursts."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MemoryModel"]


class MemoryModel:
    """``words`` 32-bit words; addresses wrap. What was never written is unknown and must not be read."""

    def __init__(self, words: int) -> None:
        self.words = words
        self.contents: dict[int, int] = {}

    def known(self, address: int, count: int) -> bool:
        """Whether all of ``count`` words have been written."""
        return all((address + index) % self.words in self.contents for index in range(count))

    def write(self, address: int, values: Sequence[int]) -> None:
        """A burst that writes."""
        for index, value in enumerate(values):
            self.contents[(address + index) % self.words] = value

    def read(self, address: int, count: int) -> list[int]:
        """A burst that reads."""
        return [self.contents[(address + index) % self.words] for index in range(count)]
