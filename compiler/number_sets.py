"""Which number format holds a set of integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..hw.formats import BINARY, FORMATS, INT4, INT8, TERNARY

__all__ = ["format_range", "narrowest_format", "place_values"]


def narrowest_format(values: NDArray[np.int64] | NDArray[np.int8]) -> str:
    """The narrowest format that has all of the values, which are int8's."""
    for candidate in (BINARY, TERNARY, INT4):
        if np.isin(values, candidate.members).all():
            return candidate.name
    return INT8.name


def format_range(name: str) -> tuple[int, int]:
    """The smallest and largest value of a format."""
    return FORMATS[name].low, FORMATS[name].high


def place_values(low: int, high: int) -> tuple[str, int]:
    """The narrowest format that holds the integers low..high, each plus a zero point, and that zero point: 0 if the
    integers fit as they are. -1 and 1 alone are not meant here. Raises ValueError for more than 256 integers."""
    for candidate in (TERNARY, INT4, INT8):
        if candidate.low <= low and high <= candidate.high:
            return candidate.name, 0
        if high - low <= candidate.high - candidate.low:
            return candidate.name, candidate.low - low
    raise ValueError(f"{low}..{high} are more than 256 integers")
