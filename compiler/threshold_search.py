"""The integer thresholds of a chain of float32 operators and a quantizer: by trying, not by algebra.

Every operator of the chain is monotone in float32, too: rounding keeps the order. The chain as a whole, with the channel's sign
taken out, therefore never falls, and the first sum that gives a code is found by bisection with the reference's own arithmetic.
What rounding does around each step, ties included, is in the result.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_sums"]

Int64Array = NDArray[np.int64]


def first_sums(
    codes: Callable[[Int64Array], Int64Array], levels: Int64Array, low: Int64Array, high: Int64Array
) -> Int64Array:
    """For each channel (row) and level (column) the first sum in low..high whose code is at least the level, or high + 1.

    ``codes`` takes sums, channels last, and gives their codes, which must never fall as a channel's sum rises.
    """
    first = np.repeat(low[None, :], len(levels), axis=0)
    last = np.repeat(high[None, :] + 1, len(levels), axis=0)
    while True:
        undecided = first < last
        if not undecided.any():
            return first.T
        middle = (first + last) >> 1
        reached = codes(middle) >= levels[:, None]
        last = np.where(undecided & reached, middle, last)
        first = np.where(undecided & ~reached, middle + 1, first)
