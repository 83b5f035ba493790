"""What the engine's requantizer makes of the sums of a layer: the same exact integers for every kind of certified layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RequantizerLine"]

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RequantizerLine:
    """The requantizer's parameters of one layer. With ``t = accumulator * multiplier + offset`` and ``u = t >> shift`` the output is

        clamp(u - (u <= pivot and t mod 2**shift < 2**nudge), low, high)

    that is, outputs up to ``pivot`` begin ``2**nudge`` later; with ``wraps`` it is the low byte of u.

    multiplier, offset, shift_code : one entry for each output channel; ``shift_code`` indexes ``shifts``
    shifts, nudge : the engine's
    low, high, pivot : the layer's; a pivot of -128 is none
    accumulator_width : bits, two's complement, that hold every partial sum of the layer in any order
    """

    layer: str
    multiplier: Int64Array
    offset: Int64Array
    shift_code: Int64Array
    shifts: tuple[int, ...]
    low: int
    high: int
    pivot: int
    nudge: int
    accumulator_width: int

    @property
    def shift(self) -> Int64Array:
        """The right shift of each channel."""
        return np.asarray(self.shifts, np.int64)[self.shift_code]

    @property
    def wraps(self) -> bool:
        """Whether the output is the low byte of the shifted sum, without clamp."""
        return False

    def line_outputs(self, accumulators: Int64Array, channels: slice = slice(None)) -> Int64Array:
        """The engine's outputs for (channels, points) accumulators of some channels, exact."""
        multiplier, offset, shift = self.multiplier[channels], self.offset[channels], self.shift[channels]
        largest = int(np.abs(accumulators).max(initial=0)) * int(multiplier.max(initial=0))
        kind: Any = np.int64 if largest + int(np.abs(offset).max(initial=0)) < 2**62 else object
        sums = accumulators.astype(kind) * multiplier.astype(kind)[:, None] + offset.astype(kind)[:, None]
        steps = shift.astype(kind)[:, None]
        shifted = np.right_shift(sums, steps)
        if self.wraps:
            return (((shifted & 255) ^ 128) - 128).astype(np.int64)
        lowered = (shifted <= self.pivot) & (sums - np.left_shift(shifted, steps) < 1 << self.nudge)
        return np.clip(shifted - lowered, self.low, self.high).astype(np.int64)
