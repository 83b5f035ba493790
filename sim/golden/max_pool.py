"""Golden model of the max-pooling array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MaxPoolModel", "max_pool"]


def max_pool(
    inputs: NDArray[np.int8],
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> NDArray[np.int8]:
    """The maximum of each window; positions outside the map do not take part.

    inputs: int8, (batch, height, width, channels). padding: top, left, bottom, right, smaller than the kernel.
    Returns int8, (batch, rows, columns, channels).
    """
    top, left, bottom, right = padding
    padded = np.pad(inputs, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=-128)  # never above a value
    rows = (padded.shape[1] - kernel[0]) // stride[0] + 1
    columns = (padded.shape[2] - kernel[1]) // stride[1] + 1
    result = np.full((inputs.shape[0], rows, columns, inputs.shape[3]), -128, np.int8)
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            window = padded[
                :,
                ky : ky + (rows - 1) * stride[0] + 1 : stride[0],
                kx : kx + (columns - 1) * stride[1] + 1 : stride[1],
            ]
            np.maximum(result, window, out=result)
    return result


class MaxPoolModel:
    """The array of running maxima, step by step: windows of p x m bytes, read as values of ``width`` bits, two's complement
    or, of one bit, 0 and 1.

    ``held`` is the last finished maximum, (p, m); None before the first.
    """

    def __init__(self, p: int, m: int, width: int = 8) -> None:
        self._width = width
        self._steps: list[NDArray[np.int8]] = []
        self._shape = (p, m)
        self.held: NDArray[np.int8] | None = None

    def step(self, windows: NDArray[np.int8], last: bool) -> None:
        """Take the windows, (p, m), into the maximum; with ``last`` it is finished and a new one starts."""
        self._steps.append(windows.reshape(self._shape))
        if last:
            self.held = _largest(np.stack(self._steps).view(np.uint8), self._width)
            self._steps = []


def _largest(steps: NDArray[np.uint8], width: int) -> NDArray[np.int8]:
    """The largest value at each place of bytes in the last axis, over the first axis."""
    bits = np.unpackbits(steps, axis=-1, bitorder="little").reshape(*steps.shape[:-1], -1, width)
    weights = 1 << np.arange(width)
    if width > 1:
        weights[-1] *= -1
    codes = (bits * weights).sum(-1).max(0) & (1 << width) - 1
    found = codes[..., None] >> np.arange(width) & 1
    packed = np.packbits(found.astype(np.uint8).reshape(*steps.shape[1:-1], -1), axis=-1, bitorder="little")
    return packed.view(np.int8)
