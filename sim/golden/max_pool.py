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
    """The array of running maxima, step by step: windows of p x m bytes.

    ``held`` is the last finished maximum, (p, m); None before the first.
    """

    def __init__(self, p: int, m: int) -> None:
        self._steps: list[NDArray[np.int8]] = []
        self._shape = (p, m)
        self.held: NDArray[np.int8] | None = None

    def step(self, windows: NDArray[np.int8], last: bool) -> None:
        """Take the windows, (p, m), into the maximum; with ``last`` it is finished and a new one starts."""
        self._steps.append(windows.reshape(self._shape))
        if last:
            self.held = np.max(self._steps, axis=0)
            self._steps = []
