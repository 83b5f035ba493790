"""Sizes of a convolution layer, all that the energy and scheduling study needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

__all__ = ["LayerShape"]


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """A convolution with 8-bit maps and weights, and the pooling that happens while its outputs are written.

    Parameters
    ----------
    rows, columns, channels : int
        The input map.
    outputs : int
        Output channels.
    kernel, stride, padding : tuple[int, int]
        Vertical, horizontal; padding on each side.
    groups : int
        Groups of input channels; each output channel sees ``channels / groups``.
    pool : int
        Stride of the pooling fused into the write-back; 1: none.
    """

    name: str
    rows: int
    columns: int
    channels: int
    outputs: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (1, 1)
    groups: int = 1
    pool: int = 1

    @property
    def output_rows(self) -> int:
        """Rows before pooling."""
        return (self.rows + 2 * self.padding[0] - self.kernel[0]) // self.stride[0] + 1

    @property
    def output_columns(self) -> int:
        """Columns before pooling."""
        return (self.columns + 2 * self.padding[1] - self.kernel[1]) // self.stride[1] + 1

    @property
    def positions(self) -> int:
        """Places of the kernel: K * K."""
        return self.kernel[0] * self.kernel[1]

    @property
    def input_row_bytes(self) -> int:
        """One row of the input map."""
        return self.columns * self.channels

    @property
    def input_bytes(self) -> int:
        """The input map."""
        return self.rows * self.input_row_bytes

    @property
    def stored_row_bytes(self) -> int:
        """One row of the map that is written, after pooling."""
        return self.output_columns // self.pool * self.outputs

    @property
    def stored_rows(self) -> int:
        """Rows of the map that is written."""
        return self.output_rows // self.pool

    @property
    def stored_bytes(self) -> int:
        """The map that is written."""
        return self.stored_rows * self.stored_row_bytes

    @property
    def weight_bytes(self) -> int:
        """All weights, without biases."""
        return self.outputs * self.channels // self.groups * self.positions

    @property
    def products(self) -> int:
        """Multiplications, those with padding included."""
        return self.output_rows * self.output_columns * self.weight_bytes

    def pixel_groups(self, p: int) -> int:
        """Groups of p neighbours in a row that the array works on; rows are rounded up one by one."""
        return self.output_rows * ceil(self.output_columns / p)

    def steps(self, p: int, m: int, n: int, rows: int | None = None) -> int:
        """Array cycles: ``rows * ceil(columns / p) * groups * ceil(outputs / groups / n) * ceil(channels / groups / m) * K * K``.

        ``rows``: output rows that are computed, all if None.
        """
        lines = self.output_rows if rows is None else rows
        words = ceil(self.channels // self.groups / m)
        lanes = ceil(self.outputs // self.groups / n)
        return lines * ceil(self.output_columns / p) * self.groups * lanes * words * self.positions

    def input_row_range(self, first: int, end: int) -> tuple[int, int]:
        """Rows of the input map that the stored rows ``first`` to ``end - 1`` need: first and end."""
        top = first * self.pool * self.stride[0] - self.padding[0]
        bottom = (end * self.pool - 1) * self.stride[0] - self.padding[0] + self.kernel[0]
        return max(top, 0), min(bottom, self.rows)
