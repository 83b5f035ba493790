"""Golden model of the MAC array: accumulators of a convolution over raw int8 inputs, integers only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["convolution"]


def convolution(
    inputs: NDArray[np.int8],
    weights: NDArray[np.int8],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    pad_value: int = 0,
) -> NDArray[np.int64]:
    """``acc[b, y, x, o] = sum(in[b, y*sy + ky*dy - top, x*sx + kx*dx - left, c] * weights[o, ky, kx, c])``.

    inputs: int8, (batch, height, width, channels). weights: int8, (outputs, kernel height, kernel width, channels /
    groups). padding: top, left, bottom, right; positions outside the map hold ``pad_value``. No bias, no zero point.
    Returns int64, (batch, rows, columns, outputs), exact.
    """
    top, left, bottom, right = padding
    outputs, kernel_height, kernel_width, depth = weights.shape
    batch, _, _, channels = inputs.shape
    if depth * groups != channels or outputs % groups:
        raise ValueError(f"{groups} groups of {depth} do not make {channels} channels and {outputs} outputs")
    padded = np.pad(inputs, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad_value)
    rows = (padded.shape[1] - dilation[0] * (kernel_height - 1) - 1) // stride[0] + 1
    columns = (padded.shape[2] - dilation[1] * (kernel_width - 1) - 1) // stride[1] + 1
    largest = int(np.abs(weights.astype(np.int64)).reshape(outputs, -1).sum(1).max(initial=0)) * 128
    kind = np.int32 if largest < 2**31 else np.int64  # every partial sum fits, so int32 is exact
    padded, factors = padded.astype(kind), weights.astype(kind)
    total: NDArray[Any] = np.zeros((batch, rows, columns, groups, outputs // groups), kind)
    for ky in range(kernel_height):
        for kx in range(kernel_width):
            window = padded[
                :,
                ky * dilation[0] : ky * dilation[0] + (rows - 1) * stride[0] + 1 : stride[0],
                kx * dilation[1] : kx * dilation[1] + (columns - 1) * stride[1] + 1 : stride[1],
            ]
            _accumulate(total, window, factors[:, ky, kx], groups)
    return total.reshape(batch, rows, columns, outputs).astype(np.int64)


def _accumulate(total: NDArray[Any], window: NDArray[Any], factors: NDArray[Any], groups: int) -> None:
    """Add the products of one kernel position; total is (batch, rows, columns, groups, outputs / groups)."""
    if groups == 1:
        total[..., 0, :] += window @ factors.T
        return
    depth = factors.shape[1]
    grouped = factors.reshape(groups, -1, depth)
    if depth == 1:
        total += window[..., None] * grouped[..., 0]
        return
    for group in range(groups):
        total[..., group, :] += window[..., group * depth : (group + 1) * depth] @ grouped[group].T
