"""The exact solver: integer multiplier, offset and shift whose line has the steps of a reference's staircase.

The engine computes ``clamp((a * multiplier + offset) >> shift, low, high)`` on its accumulator a, the reference a monotone
staircase in it. Two monotone staircases are equal on a range if they are equal at both ends and on both sides of every
step, so a channel is a set of linear constraints in two integers for each shift:

- lower, at (a, k): ``a * multiplier + offset >= k << shift``
- upper, at (a, k): ``a * multiplier + offset < (k + 1) << shift``

For a given multiplier the best offset is the largest lower bound, and it must not exceed the smallest upper bound. If it
does, at lower point (a1, k1) and upper point (a2, k2), then subtracting the two constraints leaves one in the
multiplier alone, ``(a1 - a2) * multiplier >= (k1 - k2 - 1 << shift) + 1``, that the present multiplier breaks. With
a1 > a2 it gives a larger smallest multiplier; otherwise every larger multiplier breaks it too and the shift has no
solution. Starting at 0 this ends at the smallest multiplier of the shift or proves that there is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from .requantization import Requantization

__all__ = ["LARGEST_SHIFT", "SLOPES", "WIDEST_MULTIPLIER", "Staircase", "step_starts"]

Int64Array = NDArray[np.int64]

WIDEST_MULTIPLIER, LARGEST_SHIFT = 34, 48
"""The widest requantizer that :class:`EngineConfig` allows."""

SLOPES = 64
"""Multipliers tried on each side of the reference's slope for a channel without an exact solution."""

DIFFERENCE_LIMIT = 4
"""A channel may differ from the reference for one in this many of its reachable accumulators; otherwise it is refused."""


def step_starts(rule: Requantization, constant: Int64Array, low: Int64Array, high: Int64Array) -> Int64Array:
    """For each channel and each output level k in rule.low + 1 .. rule.high the first accumulator in low..high whose
    output is at least k, or high + 1 if there is none. Binary search on the reference itself, all levels at once."""
    levels = np.arange(rule.low + 1, rule.high + 1, dtype=np.int64)
    first = np.broadcast_to(low[:, None], (len(low), len(levels))).copy()
    last = np.broadcast_to(high[:, None] + 1, first.shape).copy()
    channels = np.broadcast_to(np.arange(len(low))[:, None], first.shape)
    while True:
        undecided = first < last
        if not undecided.any():
            return first
        middle = (first + last) >> 1
        # A decided entry may have middle = high + 1; its result is not used.
        reached = rule.outputs(middle + constant[:, None], channels) >= levels
        last = np.where(undecided & reached, middle, last)
        first = np.where(undecided & ~reached, middle + 1, first)


class Staircase:
    """The reference's steps of every channel of a layer as the points of lower and upper constraints.

    ``lower[c, i]`` is an accumulator whose output must reach ``levels[i]``, ``upper[c, i]`` one whose output must stay
    below ``levels[i] + 1``; the masks tell which of them constrain. Column 0 holds the ends of the range, the others the
    two sides of each step.
    """

    def __init__(self, rule: Requantization, constant: Int64Array, low: Int64Array, high: Int64Array) -> None:
        channels = np.arange(len(low))
        starts = step_starts(rule, constant, low, high)
        first, last = rule.outputs(low + constant, channels), rule.outputs(high + constant, channels)
        levels = np.arange(rule.low + 1, rule.high + 1, dtype=np.int64)
        inside = (levels > first[:, None]) & (levels <= last[:, None])
        self.lower = np.concatenate([low[:, None], starts], axis=1)
        self.upper = np.concatenate([high[:, None], starts - 1], axis=1)
        every = np.broadcast_to(levels, starts.shape)
        self.lower_level = np.concatenate([first[:, None], every], axis=1)
        self.upper_level = np.concatenate([last[:, None], every - 1], axis=1)
        self.lower_mask = np.concatenate([(first > rule.low)[:, None], inside], axis=1)
        self.upper_mask = np.concatenate([(last < rule.high)[:, None], inside], axis=1)
        self.low, self.high, self.slope, self.starts, self.levels = low, high, rule.slope, starts, levels

    def solve(
        self, channels: Int64Array, shift: int, multiplier_limit: int, offset_limit: int
    ) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """The smallest multiplier below its limit for each of the channels at this shift, and the smallest offset for it,
        with offset and sum in -offset_limit .. offset_limit - 1.

        Returns whether there is one, the multipliers and the offsets.
        """
        low, high = self.low[channels], self.high[channels]
        bound = self._bound(channels, shift, multiplier_limit)
        kind: Any = np.int64 if bound < 2**62 else object
        lower, upper = self.lower[channels].astype(kind), self.upper[channels].astype(kind)
        one = np.array(1, kind)
        lower_bound = self.lower_level[channels].astype(kind) * (one << shift)
        upper_bound = (self.upper_level[channels].astype(kind) + one) * (one << shift) - one
        beyond = bound + 1 if kind is object else np.iinfo(np.int64).max  # looser than every constraint
        lower_mask, upper_mask = self.lower_mask[channels], self.upper_mask[channels]
        multipliers = np.zeros(len(channels), kind)
        offsets = np.zeros(len(channels), kind)
        found = np.zeros(len(channels), bool)
        pending = np.arange(len(channels))
        while pending.size:
            factor = multipliers[pending][:, None]
            least = np.where(lower_mask[pending], lower_bound[pending] - lower[pending] * factor, -beyond)
            most = np.where(upper_mask[pending], upper_bound[pending] - upper[pending] * factor, beyond)
            i, j = least.argmax(1), most.argmin(1)
            row = np.arange(pending.size)
            smallest, largest = least[row, i], most[row, j]
            done = smallest <= largest
            unbounded = smallest == -beyond
            offsets[pending[done]] = np.where(unbounded, np.where(largest == beyond, 0, largest), smallest)[done]
            found[pending[done]] = True
            # The pair (i, j) is broken: (lower - upper) * multiplier >= lower_bound - upper_bound in its place.
            run = lower[pending][row, i] - upper[pending][row, j]
            rise = lower_bound[pending][row, i] - upper_bound[pending][row, j]
            climbs = ~done & (run > 0)
            needed = -((-rise) // np.where(climbs, run, one))
            climbs &= needed < multiplier_limit
            multipliers[pending[climbs]] = needed[climbs]
            pending = pending[climbs]
        ends = np.stack([offsets, offsets + low.astype(kind) * multipliers, offsets + high.astype(kind) * multipliers])
        found &= ((ends >= -offset_limit) & (ends < offset_limit)).all(0)
        return found, multipliers, offsets

    def multiplier_bits(self, channels: Int64Array) -> Int64Array:
        """Bits of the smallest exact multiplier for each of the channels (row) and shift (column 0 .. LARGEST_SHIFT);
        WIDEST_MULTIPLIER + 1 where there is none that an engine can have."""
        bits = np.full((len(channels), LARGEST_SHIFT + 1), WIDEST_MULTIPLIER + 1, np.int64)
        for shift in range(1, LARGEST_SHIFT + 1):
            # The multiplier is about scale << shift; a constant channel has multiplier 0 at every shift.
            rows = np.flatnonzero(self.slope[channels].astype(np.float64) * 2.0**shift < 2.0**WIDEST_MULTIPLIER)
            found, multipliers, _ = self.solve(channels[rows], shift, 2**WIDEST_MULTIPLIER, 2**126)
            bits[rows[found], shift] = [int(multiplier).bit_length() for multiplier in multipliers[found]]
        return bits

    def nearest(self, channel: int, config: EngineConfig) -> tuple[int, int, int, int] | None:
        """Multiplier, offset, shift code and number of differing accumulators of the line that differs for the fewest,
        at the largest shift that the engine's multiplier allows and slopes around the reference's."""
        scale, high = float(self.slope[channel]), int(self.high[channel])
        fitting = [i for i, s in enumerate(config.shifts) if scale * 2.0**s + SLOPES < 2**config.multiplier_width]
        if not fitting:
            return None
        code = fitting[-1]
        shift = config.shifts[code]
        if self._bound(np.array([channel]), shift, 2**config.multiplier_width) >= 2**62:
            return None
        # A step at accumulator a to level k is right for offsets from (k << shift) - a * slope, and one slope further it
        # would be too early: the best offset lies in the most of these intervals.
        masked = self.lower_mask[channel]
        start, level = self.lower[channel][masked], self.lower_level[channel][masked] << shift
        best: tuple[int, int, int, int] | None = None
        centre = round(scale * 2.0**shift)
        limit = 2 ** (config.offset_width - 1)
        for slope in sorted(range(max(centre - SLOPES, 1), centre + SLOPES + 1), key=lambda m: abs(m - centre)):
            first = np.sort(level - start * slope)
            offsets = np.concatenate([first, first + slope - 1])
            right = np.searchsorted(first, offsets, "right") - np.searchsorted(first + slope, offsets, "right")
            index = int(right.argmax())
            offset = int(offsets[index])
            ends = (offset, offset + int(self.low[channel]) * slope, offset + high * slope)
            if (best is None or right[index] > best[3]) and all(-limit <= end < limit for end in ends):
                best = (slope, offset, code, int(right[index]))
        if best is None:
            return None
        slope, offset, code, _ = best
        low = int(self.low[channel])
        own = np.clip(-((offset - (self.levels << shift)) // slope), low, high + 1)
        count = int(np.abs(own - self.starts[channel]).sum())
        return (slope, offset, code, count) if count * DIFFERENCE_LIMIT <= high + 1 - low else None

    def _bound(self, channels: Int64Array, shift: int, multiplier_limit: int) -> int:
        """A bound on every number that the constraints of these channels can take."""
        low, high = self.low[channels], self.high[channels]
        magnitude = max(int(np.abs(low).max(initial=0)), int(np.abs(high).max(initial=0))) + 1
        return magnitude * multiplier_limit + (129 << shift)
