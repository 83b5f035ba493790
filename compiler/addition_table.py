"""TensorFlow Lite's ADD of two int8 maps, as a table of every pair of inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fixed_point import fixed_point_product
from .tflite_quantization import quantize_multiplier

__all__ = ["tflite_add_table"]

_LEFT_SHIFT = 20
"""Bits of the fraction that both inputs are brought to before their sum."""


def tflite_add_table(
    scales: tuple[np.float32, np.float32, np.float32],
    zero_points: tuple[int, int, int],
    low: int,
    high: int,
    rounding: str,
) -> NDArray[np.int8]:
    """``table[a + 128, b + 128]``, the output of ADD for the inputs a and b, clamped to ``low``..``high``.

    ``scales`` and ``zero_points`` are those of both inputs and the output; ``rounding`` as in ``fixed_point_product``.
    Both inputs, as fractions of 2**-20, are scaled to twice the larger scale, added, and scaled to the output
    (add_common.cc and reference/integer_ops/add.h of TensorFlow Lite Micro; multipliers in double precision).
    """
    first, second, output = (float(np.float32(scale)) for scale in scales)
    twice = 2 * max(first, second)
    values = np.arange(-128, 128, dtype=np.int64)
    parts = [
        fixed_point_product(
            (values - zero_point) << _LEFT_SHIFT, *quantize_multiplier(np.array(scale / twice), rounding), rounding
        )
        for scale, zero_point in ((first, zero_points[0]), (second, zero_points[1]))
    ]
    multiplier, shift = quantize_multiplier(np.array(twice / ((1 << _LEFT_SHIFT) * output)), rounding)
    outputs = fixed_point_product(parts[0][:, None] + parts[1][None, :], multiplier, shift, rounding)
    return np.clip(outputs + zero_points[2], low, high).astype(np.int8)
