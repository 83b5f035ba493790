"""The window of a convolution or pooling: kernel, stride, padding, dilation, output extent."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Window"]


@dataclass(frozen=True)
class Window:
    """A two-dimensional window; a one-dimensional one has height 1. ``padding`` is top, left, bottom, right."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def output_extent(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the output for a map of this height and width."""
        top, left, bottom, right = self.padding
        spans = [dilation * (kernel - 1) + 1 for dilation, kernel in zip(self.dilation, self.kernel, strict=True)]
        rows = (height + top + bottom - spans[0]) // self.stride[0] + 1
        columns = (width + left + right - spans[1]) // self.stride[1] + 1
        return rows, columns

    @property
    def swapped(self) -> Window:
        """The window with rows and columns exchanged."""
        top, left, bottom, right = self.padding
        return Window(self.kernel[::-1], self.stride[::-1], (left, top, right, bottom), self.dilation[::-1])
