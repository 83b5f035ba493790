"""The result of the requantization solver for one layer, and its proof from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..hw.errors import CheckFailed
from .requantization import Requantization
from .staircase import step_starts

__all__ = ["CertifiedRequantization", "Difference"]

Int64Array = NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """An accumulator of a channel (without bias and zero point) for which engine and reference differ."""

    channel: int
    accumulator: int
    engine: int
    reference: int


@dataclass(frozen=True)
class CertifiedRequantization:
    """The engine's requantization parameters of one layer, equal to ``reference`` on the whole reachable range but for
    the accumulators that ``difference_count`` counts for each channel (0: exact) and :meth:`differences` lists.

    With ``t = accumulator * multiplier + offset`` and ``u = t >> shift`` the engine's output is
    ``clamp(u - (u <= pivot and t mod 2**shift < 2**nudge), low, high)``: outputs up to ``pivot`` begin ``2**nudge`` later.
    ``nudge`` is the engine's; ``pivot`` is the layer's, -128 for none.

    Arrays have one entry for each output channel. ``shift_code`` indexes ``shifts``; ``low`` and ``high`` hold for the
    layer. ``accumulator_low`` and ``accumulator_high`` bound the reachable accumulators (without bias and zero point),
    ``constant`` turns one into the reference's accumulator by addition. ``accumulator_width`` is the number of bits, two's
    complement, that hold every partial sum of the layer in any order.
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
    accumulator_low: Int64Array
    accumulator_high: Int64Array
    accumulator_width: int
    constant: Int64Array
    reference: Requantization
    difference_count: Int64Array

    @property
    def shift(self) -> Int64Array:
        """The right shift of each channel."""
        return np.asarray(self.shifts, np.int64)[self.shift_code]

    @property
    def exact(self) -> bool:
        """Whether every channel equals the reference on its whole reachable range."""
        return not self.difference_count.any()

    def certify(self) -> None:
        """Check from scratch that engine and reference differ for exactly the counted accumulators, by one step each.

        Both are monotone, so the engine's outputs on both sides of each of its steps, the reference's on both sides of
        each of its own and both at the ends of the range decide about every reachable accumulator.
        Raises CheckFailed that names layer and channel.
        """
        if self.wraps:
            self._certify_bytes()
            return
        starts = step_starts(self.reference, self.constant, self.accumulator_low, self.accumulator_high)
        own = _line_starts(self, self.reference)
        low, high = self.accumulator_low[:, None], self.accumulator_high[:, None]
        channels = np.arange(len(low))[:, None]
        levels = np.arange(self.reference.low + 1, self.reference.high + 1)
        count = np.abs(own - starts).sum(1)
        ok = (self.low == self.reference.low) & (self.high == self.reference.high) & (count == self.difference_count)
        for first, outputs in (
            (starts, lambda a: self.reference.outputs(a + self.constant[:, None], channels)),
            (own, self._outputs),
        ):
            ok &= ((outputs(np.minimum(first, high)) >= levels) | (first > high)).all(1)
            ok &= ((outputs(np.maximum(first - 1, low)) < levels) | (first <= low)).all(1)
        # Where the engine's step lies elsewhere, the outputs between differ by one step, not more.
        for points in (np.clip(np.minimum(own, starts), low, high), np.clip(np.maximum(own, starts) - 1, low, high)):
            wanted = self.reference.outputs(points + self.constant[:, None], channels)
            ok &= (np.abs(self._outputs(points) - wanted) <= (own != starts)).all(1)
        if not ok.all():
            raise CheckFailed(
                f"Requantization of layer {self.layer!r}, channel {int(np.argmin(ok))}: engine and reference differ for other "
                "accumulators than the solver found."
            )

    def _certify_bytes(self) -> None:
        """Of bytes of sums: engine and reference are compared at 65,536 accumulators spread over the reachable range, which
        is all of them where it is no wider."""
        channels = np.arange(len(self.accumulator_low))[:, None]
        spread = self.accumulator_high - self.accumulator_low
        points = self.accumulator_low[:, None] + np.round(np.linspace(0, 1, 1 << 16) * spread[:, None]).astype(np.int64)
        ok = (self._outputs(points) == self.reference.outputs(points + self.constant[:, None], channels)).all(1)
        if not ok.all():
            raise CheckFailed(f"Bytes of the sums of layer {self.layer!r}, channel {int(np.argmin(ok))}: engine and reference differ.")

    @property
    def wraps(self) -> bool:
        """Whether the output is the low byte of the shifted sum, without clamp."""
        return self.reference.wraps

    def differences(self) -> list[Difference]:
        """Every reachable accumulator for which engine and reference differ."""
        result = []
        starts = step_starts(self.reference, self.constant, self.accumulator_low, self.accumulator_high)
        own = _line_starts(self, self.reference)
        for channel in np.flatnonzero(self.difference_count):
            first, last = np.minimum(own, starts)[channel], np.maximum(own, starts)[channel]
            points = sorted({a for i in np.flatnonzero(first < last) for a in range(int(first[i]), int(last[i]))})
            wanted = self.reference.outputs(np.array(points) + self.constant[channel], int(channel))
            for a, reference in zip(points, wanted, strict=True):
                result.append(Difference(int(channel), a, self.output(a, int(channel)), int(reference)))
        return result

    def output(self, accumulator: int, channel: int) -> int:
        """The engine's output for one accumulator of a channel."""
        total = accumulator * int(self.multiplier[channel]) + int(self.offset[channel])
        shift = int(self.shift[channel])
        value = total >> shift
        if self.wraps:
            return ((value & 255) ^ 128) - 128
        if value <= self.pivot and total - (value << shift) < 1 << self.nudge:
            value -= 1
        return min(max(value, self.low), self.high)

    def _outputs(self, accumulators: Int64Array) -> Int64Array:
        """The engine's outputs for (channels, points) accumulators, exact."""
        largest = int(np.abs(accumulators).max(initial=0)) * int(self.multiplier.max(initial=0))
        kind: Any = np.int64 if largest + int(np.abs(self.offset).max(initial=0)) < 2**62 else object
        sums = accumulators.astype(kind) * self.multiplier.astype(kind)[:, None] + self.offset.astype(kind)[:, None]
        shift = self.shift.astype(kind)[:, None]
        shifted = np.right_shift(sums, shift)
        if self.wraps:
            return (((shifted & 255) ^ 128) - 128).astype(np.int64)
        lowered = (shifted <= self.pivot) & (sums - np.left_shift(shifted, shift) < 1 << self.nudge)
        return np.clip(shifted - lowered, self.low, self.high).astype(np.int64)


def _line_starts(rule: CertifiedRequantization, reference: Requantization) -> Int64Array:
    """For each channel and level the first accumulator of the range at which the engine's line reaches the level, or
    accumulator_high + 1: ``ceil((height - offset) / multiplier)``, where a level's height is ``level << shift``, and ``2**nudge``
    (at most a whole step) more up to the pivot."""
    largest = int(np.abs(rule.offset).max(initial=0)) + (1 << rule.nudge)
    kind: Any = np.int64 if largest + (129 << max(rule.shifts)) < 2**62 else object
    levels = np.arange(reference.low + 1, reference.high + 1).astype(kind)[None, :]
    steps = np.left_shift(np.array(1, kind), rule.shift.astype(kind)[:, None])
    heights = levels * steps - rule.offset.astype(kind)[:, None]
    heights = heights + np.where(levels <= rule.pivot, np.minimum(steps, 1 << rule.nudge), 0)
    low, high = rule.accumulator_low[:, None], rule.accumulator_high[:, None]
    slope = rule.multiplier.astype(kind)[:, None]
    flat = np.where(heights <= 0, low, high + 1)
    return np.where(slope == 0, flat, np.clip(-(-heights // np.maximum(slope, 1)), low, high + 1)).astype(np.int64)
