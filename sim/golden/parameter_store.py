"""Golden model of a lane's requantization parameters."""

from __future__ import annotations

__all__ = ["ParameterStoreModel"]


class ParameterStoreModel:
    """The last ``rows`` rows of m bytes are, least significant first: multiplier, offset (two's complement), shift code.

    ``in_use`` is None until the first exchange, else (multiplier, offset, shift code).
    """

    def __init__(self, m: int, rows: int, multiplier_width: int, offset_width: int) -> None:
        self._width = 8 * m
        self._rows = rows
        self._multiplier_width, self._offset_width = multiplier_width, offset_width
        self._loaded: list[int] = []
        self.in_use: tuple[int, int, int] | None = None

    def load(self, row: int) -> None:
        """One more row."""
        self._loaded = [*self._loaded, row][-self._rows :]

    def exchange(self) -> None:
        """Put the loaded rows to use."""
        bits = sum(row << index * self._width for index, row in enumerate(self._loaded))
        multiplier = bits % (1 << self._multiplier_width)
        offset = (bits >> self._multiplier_width) % (1 << self._offset_width)
        if offset >> self._offset_width - 1:
            offset -= 1 << self._offset_width
        self.in_use = (multiplier, offset, (bits >> self._multiplier_width + self._offset_width) % 4)
