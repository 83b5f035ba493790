"""For a channel that no line equals: the line that differs for the fewest accumulators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..hw.config import EngineConfig
from .staircase import Staircase

__all__ = ["SLOPES", "NearestLine", "nearest_line"]

SLOPES = 64
"""Multipliers tried on each side of the reference's slope."""

_DIFFERENCE_LIMIT = 4
"""A channel may differ from the reference for one in this many of its reachable accumulators; otherwise it is refused."""


@dataclass(frozen=True, kw_only=True)
class NearestLine:
    """A channel's parameters without nudge, and how many of its accumulators differ."""

    multiplier: int
    offset: int
    shift_code: int
    difference_count: int


def nearest_line(staircase: Staircase, channel: int, config: EngineConfig) -> NearestLine | None:
    """The line at the largest shift that the engine's multiplier allows, of slopes around the reference's; None if it
    differs for too many accumulators or the numbers are too large."""
    scale = float(staircase.slope[channel])
    low, high = int(staircase.low[channel]), int(staircase.high[channel])
    fitting = [i for i, s in enumerate(config.shifts) if scale * 2.0**s + SLOPES < 2**config.multiplier_width]
    if not fitting:
        return None
    code = fitting[-1]
    shift = config.shifts[code]
    if (max(abs(low), abs(high)) + 1) * 2**config.multiplier_width + (129 << shift) >= 2**62:
        return None
    # A step at accumulator a to level k is right for offsets from (k << shift) - a * slope, and one slope further it would
    # be too early: the best offset lies in the most of these intervals.
    inside = staircase.lower[channel] & staircase.upper[channel]
    start, level = staircase.at[channel][inside], staircase.levels[inside] << shift
    best: tuple[int, int, int] | None = None
    centre = round(scale * 2.0**shift)
    limit = 2 ** (config.offset_width - 1)
    for slope in sorted(range(max(centre - SLOPES, 1), centre + SLOPES + 1), key=lambda m: abs(m - centre)):
        first = np.sort(level - start * slope)
        offsets = np.concatenate([first, first + slope - 1])
        right = np.searchsorted(first, offsets, "right") - np.searchsorted(first + slope, offsets, "right")
        index = int(right.argmax())
        offset = int(offsets[index])
        ends = (offset, offset + low * slope, offset + high * slope)
        if (best is None or right[index] > best[2]) and all(-limit <= end < limit for end in ends):
            best = (slope, offset, int(right[index]))
    if best is None:
        return None
    slope, offset, _ = best
    own = np.clip(-((offset - (staircase.levels << shift)) // slope), low, high + 1)
    count = int(np.abs(own - staircase.at[channel]).sum())
    if count * _DIFFERENCE_LIMIT > high + 1 - low:
        return None
    return NearestLine(multiplier=slope, offset=offset, shift_code=code, difference_count=count)
