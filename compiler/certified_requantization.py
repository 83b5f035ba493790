"""The result of the requantization solver for one layer, and its proof from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..hw.errors import CheckFailed
from .requantization import Requantization
from .requantizer_line import RequantizerLine
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


@dataclass(frozen=True, kw_only=True)
class CertifiedRequantization(RequantizerLine):
    """The engine's requantization parameters of one layer, equal to ``reference`` on the whole reachable range but for
    the accumulators that ``difference_count`` counts for each channel (0: exact) and :meth:`differences` lists.

    Arrays have one entry for each output channel. ``accumulator_low`` and ``accumulator_high`` bound the reachable accumulators
    (without bias and zero point), ``constant`` turns one into the reference's accumulator by addition.
    """

    accumulator_low: Int64Array
    accumulator_high: Int64Array
    constant: Int64Array
    reference: Requantization
    difference_count: Int64Array

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
            (own, self.line_outputs),
        ):
            ok &= ((outputs(np.minimum(first, high)) >= levels) | (first > high)).all(1)
            ok &= ((outputs(np.maximum(first - 1, low)) < levels) | (first <= low)).all(1)
        # Where the engine's step lies elsewhere, the outputs between differ by one step, not more.
        for points in (np.clip(np.minimum(own, starts), low, high), np.clip(np.maximum(own, starts) - 1, low, high)):
            wanted = self.reference.outputs(points + self.constant[:, None], channels)
            ok &= (np.abs(self.line_outputs(points) - wanted) <= (own != starts)).all(1)
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
        ok = (self.line_outputs(points) == self.reference.outputs(points + self.constant[:, None], channels)).all(1)
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
            mine = self.line_outputs(np.array([points]), slice(channel, channel + 1))[0]
            for a, engine, reference in zip(points, mine, wanted, strict=True):
                result.append(Difference(int(channel), a, int(engine), int(reference)))
        return result


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
