"""The exact solver: integer multiplier, offset and shift whose line has the steps of a reference's staircase.

The engine computes ``t = a * multiplier + offset`` and from it ``clamp(t >> shift, low, high)``; with a nudge, outputs up to
the pivot begin ``2**nudge`` later. Two monotone staircases are equal on a range if they are equal on both sides of
every step, so a channel is a set of linear constraints in two integers for each shift. With the height of level k,
``h(k) = (k << shift) + (2**nudge if k <= pivot else 0)``:

- lower, at a: ``a * multiplier + offset >= h(k)``
- upper, at a: ``a * multiplier + offset < h(k)``

For a given multiplier the best offset is the largest lower bound, and it must not exceed the smallest upper bound. If it
does, at lower point (a1, k1) and upper point (a2, k2), then subtracting the two constraints leaves one in the
multiplier alone, ``(a1 - a2) * multiplier >= h(k1) - h(k2) + 1``, that the present multiplier breaks. With a1 > a2 it gives
a larger smallest multiplier; otherwise every larger multiplier breaks it too and the shift has no solution. Starting
from below this ends at the smallest multiplier of the shift or proves that there is none.

Most constraints play no part near the slopes that come into question. The same iteration in real numbers, once for all
shifts, from below and from above, bounds these slopes (with a margin far wider than the rounding errors of the real
numbers) and leaves the few constraints that can be tight between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .staircase import Staircase

__all__ = ["LARGEST_SHIFT", "WIDEST_MULTIPLIER", "LineSolver"]

Int64Array = NDArray[np.int64]
FloatArray = NDArray[np.float64]

WIDEST_MULTIPLIER, LARGEST_SHIFT = 34, 48
"""The widest requantizer that EngineConfig allows."""

_STEEPEST = 1024.0
"""Output steps for a step of the accumulator: steeper lines are not looked for."""

_ROUNDING = 2.0**-30
"""Output steps; more than the errors of real heights, less than what a solution leaves between the bounds."""

_FEW = 24
"""Constraints of most channels after those that cannot be tight are left out."""


class LineSolver:
    """Solves the channels of a staircase, for one pivot and one number of bits of the fraction that the nudge compares.

    Parameters
    ----------
    staircase : Staircase
    pivot : int
        -128: no nudge.
    fraction : int
        ``shift - nudge``: outputs up to the pivot begin ``2**-fraction`` of an output step later.
    """

    def __init__(self, staircase: Staircase, pivot: int = -128, fraction: int = 0) -> None:
        self.staircase, self.pivot, self.fraction = staircase, pivot, fraction
        levels = staircase.levels
        self._nudged = (levels <= pivot) & (pivot > -128)
        heights = levels + self._nudged * 2.0**-fraction
        # Of levels that begin at the same accumulator one is enough: the highest below, the lowest above.
        lower, upper = staircase.lower.copy(), staircase.upper.copy()
        lower[:, :-1] &= (staircase.at[:, :-1] != staircase.at[:, 1:]) | ~staircase.lower[:, 1:]
        upper[:, 1:] &= (staircase.before[:, 1:] != staircase.before[:, :-1]) | ~staircase.upper[:, :-1]
        at, before = staircase.at.astype(np.float64), staircase.before.astype(np.float64)
        real = (at, before, heights, lower, upper)
        self.least, possible = _extreme_slopes(*real, rising=True)
        self.most, _ = _extreme_slopes(*real, rising=False)
        self.possible = possible & (self.least <= self.most * (1 + 1e-9) + 1e-12)
        # A constraint that is tight at some slope of the interval is nearly tight at its beginning.
        spread = (staircase.high - staircase.low + 2.0) * np.maximum(self.most - self.least, 0) + _ROUNDING
        least = self.least[:, None]
        bounds = np.where(lower, heights - at * least, -np.inf)
        lower &= bounds >= (bounds.max(1, initial=-np.inf) - spread)[:, None]
        bounds = np.where(upper, heights - before * least, np.inf)
        upper &= bounds <= (bounds.min(1, initial=np.inf) + spread)[:, None]
        self._count = np.maximum(lower.sum(1), upper.sum(1))
        self._lower = _gather(lower, int(self._count.max(initial=0)))
        self._upper = _gather(upper, int(self._count.max(initial=0)))

    def solve(
        self, channels: Int64Array, shift: int, multiplier_limit: int, offset_limit: int
    ) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """The smallest multiplier below its limit for each of the channels at this shift, and the smallest offset for it,
        with offset and sum in -offset_limit .. offset_limit - 1.

        Returns whether there is one, the multipliers and the offsets.
        """
        found = np.zeros(len(channels), bool)
        multipliers, offsets = np.zeros(len(channels), object), np.zeros(len(channels), object)
        if self.staircase.levels.size == 0:
            return found | (shift >= self.fraction), multipliers, offsets
        scale = 2.0**shift
        hopeful = self.possible[channels] & (
            np.ceil(self.least[channels] * scale * (1 - 1e-9) - 1e-3)
            <= np.floor(self.most[channels] * scale * (1 + 1e-9) + 1e-3)
        )
        hopeful &= shift >= self.fraction if self.pivot > -128 else True
        few = self._count[channels] <= _FEW
        for group in (np.flatnonzero(hopeful & few), np.flatnonzero(hopeful & ~few)):
            if group.size:
                found[group], multipliers[group], offsets[group] = self._solve(
                    channels[group], shift, multiplier_limit, offset_limit
                )
        return found, multipliers, offsets

    def _solve(
        self, channels: Int64Array, shift: int, multiplier_limit: int, offset_limit: int
    ) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        stairs = self.staircase
        low, high = stairs.low[channels], stairs.high[channels]
        magnitude = max(int(np.abs(low).max(initial=0)), int(np.abs(high).max(initial=0))) + 1
        bound = magnitude * multiplier_limit + (130 << shift)
        kind: Any = np.int64 if bound < 2**62 else object
        one = np.array(1, kind)
        height = stairs.levels.astype(kind) * (one << shift)
        height += self._nudged.astype(kind) * (one << max(shift - self.fraction, 0))
        count = int(self._count[channels].max(initial=0))
        lower_index, lower_mask = (part[channels, :count] for part in self._lower)
        upper_index, upper_mask = (part[channels, :count] for part in self._upper)
        row = channels[:, None]
        lower, lower_bound = stairs.at[row, lower_index].astype(kind), height[lower_index]
        upper, upper_bound = stairs.before[row, upper_index].astype(kind), height[upper_index] - one
        beyond = bound + 1 if kind is object else np.iinfo(np.int64).max  # looser than every constraint
        start = np.floor(self.least[channels] * 2.0**shift * (1 - 1e-9) - 1e-3)
        multipliers = np.clip(start, 0, multiplier_limit - 1).astype(np.int64).astype(kind)
        offsets = np.zeros(len(channels), kind)
        found = np.zeros(len(channels), bool)
        pending = np.arange(len(channels))
        while pending.size:
            factor = multipliers[pending][:, None]
            least = np.where(lower_mask[pending], lower_bound[pending] - lower[pending] * factor, -beyond)
            most = np.where(upper_mask[pending], upper_bound[pending] - upper[pending] * factor, beyond)
            i, j = least.argmax(1), most.argmin(1)
            rows = np.arange(pending.size)
            smallest, largest = least[rows, i], most[rows, j]
            done = smallest <= largest
            unbounded = smallest == -beyond
            offsets[pending[done]] = np.where(unbounded, np.where(largest == beyond, 0, largest), smallest)[done]
            found[pending[done]] = True
            # The pair (i, j) is broken: (lower - upper) * multiplier >= lower_bound - upper_bound in its place.
            run = lower[pending][rows, i] - upper[pending][rows, j]
            rise = lower_bound[pending][rows, i] - upper_bound[pending][rows, j]
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
            rows = np.flatnonzero(self.least[channels] * 2.0**shift < 2.0**WIDEST_MULTIPLIER)
            found, multipliers, _ = self.solve(channels[rows], shift, 2**WIDEST_MULTIPLIER, 2**126)
            bits[rows[found], shift] = [int(multiplier).bit_length() for multiplier in multipliers[found]]
        return bits


def _extreme_slopes(
    at: FloatArray,
    before: FloatArray,
    heights: FloatArray,
    lower: NDArray[np.bool_],
    upper: NDArray[np.bool_],
    *,
    rising: bool,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The smallest (``rising``) or largest slope of a real line that meets the constraints of each channel, and whether
    there is one."""
    slopes = np.full(len(at), 0.0 if rising else _STEEPEST)
    possible = np.ones(len(at), bool)
    pending = np.arange(len(at) if heights.size else 0)
    while pending.size:
        slope = slopes[pending][:, None]
        least = np.where(lower[pending], heights - at[pending] * slope, -np.inf)
        most = np.where(upper[pending], heights - before[pending] * slope, np.inf)
        i, j = least.argmax(1), most.argmin(1)
        rows = np.arange(pending.size)
        broken = least[rows, i] > most[rows, j] + _ROUNDING
        run = at[pending, i] - before[pending, j]
        better = (heights[i] - heights[j]) / np.where(run == 0, 1, run)
        moves = broken & (run > 0 if rising else run < 0)
        possible[pending[broken & ~moves]] = False
        moves &= better > slopes[pending] if rising else better < slopes[pending]  # no more than rounding otherwise
        slopes[pending[moves]] = better[moves]
        pending = pending[moves]
    return slopes, possible


def _gather(mask: NDArray[np.bool_], count: int) -> tuple[Int64Array, NDArray[np.bool_]]:
    """The columns that a mask keeps of each row, in front, and which of ``count`` places hold one."""
    order = np.argsort(~mask, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(mask, order, axis=1)
