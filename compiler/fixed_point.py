"""TensorFlow Lite's product of an integer and a real multiplier of 31 bits and a power of two.

Both roundings, from TensorFlow Lite's common.cc and gemmlowp's fixedpoint.h:

- "tflm", two roundings, the default: the product with the multiplier is doubled and its upper 32 bits are rounded,
  halves up (SaturatingRoundingDoublingHighMul); then a rounding right shift, halves away from zero
  (RoundingDivideByPOT).
- "single", one rounding, halves up (built with TFLITE_SINGLE_ROUNDING).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROUNDINGS", "fixed_point_product"]

Int64Array = NDArray[np.int64]

ROUNDINGS = ("tflm", "single")


def fixed_point_product(
    values: Int64Array, multiplier: Int64Array | int, shift: Int64Array | int, rounding: str
) -> Int64Array:
    """``values * multiplier * 2**(shift - 31)`` rounded.

    values : int64 that fit 32 bits also after a left shift
    multiplier : 2**30 .. 2**31 - 1, or 0
    shift : -31 .. 30, positive is to the left
    rounding : one of ROUNDINGS; anything else is a ValueError
    """
    shift = np.asarray(shift, np.int64)
    if rounding == "single":
        right = 31 - shift
        return (values * multiplier + (np.int64(1) << right - 1)) >> right
    if rounding != "tflm":
        raise ValueError(f"rounding must be one of {', '.join(ROUNDINGS)}, not {rounding!r}")
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    high = ((values << left) * multiplier + (1 << 30)) >> 31
    # Halves away from zero: of two equally near multiples the lower one where the number is negative.
    mask = (np.int64(1) << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))
