"""Golden model of the requantizer: accumulator to int8 by multiplier, offset, arithmetic right shift and clamp."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["requantizer"]


def requantizer(
    accumulators: NDArray[np.int64],
    multiplier: NDArray[np.int64],
    offset: NDArray[np.int64],
    shift: NDArray[np.int64],
    low: int,
    high: int,
    pivot: int = -128,
    nudge: int = 0,
    wrap: bool = False,
) -> NDArray[np.int8]:
    """``clamp(u - (u <= pivot and t mod 2**shift < 2**nudge), low, high)`` with ``t = accumulator * multiplier + offset`` and
    ``u = t >> shift``, exact; the shift rounds down. With pivot -128 it is ``clamp(u, low, high)``.

    With ``wrap`` it is the low byte of u, two's complement.

    accumulators: integers, channels last. multiplier, offset, shift: one for each channel. low, high: within -128..127.
    """
    largest = _magnitude(accumulators) * _magnitude(multiplier) + _magnitude(offset)
    kind: Any = np.int64 if largest < 2**63 else object  # int64 holds product and sum, or Python's integers do
    sums = accumulators.astype(kind) * multiplier.astype(kind) + offset.astype(kind)
    shifted = np.right_shift(sums, shift.astype(kind))
    if wrap:
        return (((shifted & 255) ^ 128) - 128).astype(np.int8)
    if pivot > -128:
        remainder = sums - np.left_shift(shifted, shift.astype(kind))
        shifted = shifted - ((shifted <= pivot) & (remainder < 1 << nudge)).astype(kind)
    return np.clip(shifted, low, high).astype(np.int8)


def _magnitude(values: NDArray[np.int64]) -> int:
    if values.size == 0:
        return 0
    return max(abs(int(values.min())), abs(int(values.max())))
