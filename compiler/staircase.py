"""A reference's staircase as the points that a line must separate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .requantization import Requantization

__all__ = ["Staircase", "staircase", "step_starts"]

Int64Array = NDArray[np.int64]

_NEAR = 8
"""How far from where the slope says a step is looked for first."""


@dataclass(frozen=True, kw_only=True)
class Staircase:
    """For each channel (row) and output level (column): accumulators between which the output reaches the level.

    The output of ``at[c, i]`` is at least ``levels[i]`` where ``lower[c, i]``; that of ``before[c, i]``, which is less, is
    below ``levels[i]`` where ``upper[c, i]``. The accumulator lies in ``low[c]``..``high[c]``. ``slope`` is the
    reference's, output steps for a step of the accumulator.
    """

    levels: Int64Array
    at: Int64Array
    before: Int64Array
    lower: NDArray[np.bool_]
    upper: NDArray[np.bool_]
    low: Int64Array
    high: Int64Array
    slope: NDArray[np.float64]

    def take(self, channels: Int64Array) -> Staircase:
        """Some of the channels."""
        names = ("at", "before", "lower", "upper", "low", "high", "slope")
        return replace(self, **{name: getattr(self, name)[channels] for name in names})


def staircase(rule: Requantization, constant: Int64Array, low: Int64Array, high: Int64Array) -> Staircase:
    """The staircases of all channels of a layer over accumulators ``low``..``high``, to which ``constant`` is added."""
    starts = step_starts(rule, constant, low, high)
    return Staircase(
        levels=np.arange(rule.low + 1, rule.high + 1, dtype=np.int64),
        at=starts,
        before=starts - 1,
        lower=starts <= high[:, None],
        upper=starts > low[:, None],
        low=low,
        high=high,
        slope=rule.slope,
    )


def step_starts(rule: Requantization, constant: Int64Array, low: Int64Array, high: Int64Array) -> Int64Array:
    """For each channel and each output level k in rule.low + 1 .. rule.high the first accumulator in low..high whose
    output is at least k, or high + 1 if there is none. Binary search on the reference itself, all levels at once, at
    first near the place that the slope suggests."""
    levels = np.arange(rule.low + 1, rule.high + 1, dtype=np.int64)
    floor, ceiling = low[:, None], high[:, None] + 1
    channels = np.arange(len(low))[:, None]
    slope = np.maximum(rule.slope, 2.0**-60)[:, None]
    guess = (levels - rule.zero_point - 0.5) / slope - constant[:, None]
    middle = np.clip(guess, floor - 1.0, ceiling + 1.0).astype(np.int64)
    first, last = np.clip(middle - _NEAR, floor, ceiling), np.clip(middle + _NEAR, floor, ceiling)
    # The bracket holds if the output is below the level in front of it and reaches it at its end.
    first = np.where(rule.outputs(first - 1 + constant[:, None], channels) < levels, first, floor)
    last = np.where((rule.outputs(last + constant[:, None], channels) >= levels), last, ceiling)
    while True:
        undecided = first < last
        if not undecided.any():
            return first
        middle = (first + last) >> 1
        # A decided entry may have middle = high + 1; its result is not used.
        reached = rule.outputs(middle + constant[:, None], channels) >= levels
        last = np.where(undecided & reached, middle, last)
        first = np.where(undecided & ~reached, middle + 1, first)
