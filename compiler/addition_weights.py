"""The two weights of a residual addition: small integers whose ratio tells all pairs of inputs apart as the reference does.

The engine's sum is ``a * weights[0] + b * weights[1]``. If a line turns it into the reference's outputs, then sorting all
pairs by their sums is consistent with the reference's table, so the ratio of the weights is close to that of the inputs'
factors. Of all such ratios of 16-bit numbers the candidates are those better than all with smaller numbers, the
smallest good ones and the best ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .certified_addition import balanced_digits
from .graph import Add
from .line_solver import WIDEST_MULTIPLIER, LineSolver
from .staircase import Staircase

__all__ = ["AdditionCandidates", "addition_candidates"]

Int64Array = NDArray[np.int64]

_LARGEST_WEIGHT = 32639
"""The largest number of two balanced digits."""

_GOOD = 2.0**-19
"""Error of a ratio that is worth trying in any case."""

_COUNT = 40
"""Candidates of each kind."""

_SPARE = 1
"""Bits by which accumulators may be wider than the narrowest, for more solutions to choose from."""


@dataclass(frozen=True, kw_only=True)
class AdditionCandidates:
    """Pairs of weights (rows), smallest first. ``staircase``: the table over the sums of each pair. ``bits``: of the
    smallest multiplier, as LineSolver.multiplier_bits gives them. ``width``: bits of the accumulator, any order of the digits.

    If no pair solves the addition, ``bits`` says so and the candidates are those with the best ratios.
    """

    weights: Int64Array
    staircase: Staircase
    bits: Int64Array
    width: Int64Array

    @property
    def solvable(self) -> bool:
        """Whether some engine computes the addition exactly."""
        return bool((self.bits <= WIDEST_MULTIPLIER).any())

    @property
    def accumulator_width(self) -> int:
        """The accumulator that an engine needs for any of them."""
        return int(self.width.max())


def addition_candidates(node: Add, first_range: tuple[int, int], second_range: tuple[int, int]) -> AdditionCandidates:
    """The weights that come into question for inputs in these ranges, without those that need wide accumulators for
    nothing."""
    weights, errors = _ratios(*node.weights)
    staircase = _staircase(node, weights, first_range, second_range)
    width = _accumulator_width(weights, first_range, second_range)
    bits = LineSolver(staircase).multiplier_bits(np.arange(len(weights)))
    solved = (bits <= WIDEST_MULTIPLIER).any(1)
    if solved.any():
        chosen = np.flatnonzero(solved & (width <= width[solved].min() + _SPARE))
    else:
        chosen = np.sort(np.argsort(errors, kind="stable")[:4])
    return AdditionCandidates(
        weights=weights[chosen], staircase=staircase.take(chosen), bits=bits[chosen], width=width[chosen]
    )


def _ratios(first: float, second: float) -> tuple[Int64Array, NDArray[np.float64]]:
    """Pairs of weights whose ratio is near that of two positive factors, smallest first, and the errors of their angles."""
    larger, smaller = max(first, second), min(first, second)
    high = np.arange(1, _LARGEST_WEIGHT + 1)
    low = np.rint(high * (smaller / larger)).astype(np.int64)
    errors = np.abs(low / high - smaller / larger)
    records = np.flatnonzero(errors < np.concatenate([[np.inf], np.minimum.accumulate(errors)[:-1]]))
    good = np.flatnonzero(errors < _GOOD)[:_COUNT]
    best = np.argsort(errors, kind="stable")[:_COUNT]
    chosen = np.unique(np.concatenate([records, good, best]))
    pair = (high, low) if first >= second else (low, high)
    return np.stack(pair, axis=1)[chosen], errors[chosen]


def _staircase(
    node: Add, weights: Int64Array, first_range: tuple[int, int], second_range: tuple[int, int]
) -> Staircase:
    """The table as a staircase over the sums of each pair of weights: the output reaches a level from the smallest sum on
    of all pairs of inputs with at least that output, and stays below it up to the largest sum of the others."""
    rows = np.arange(first_range[0], first_range[1] + 1)
    table = node.table[rows + 128, second_range[0] + 128 : second_range[1] + 129].astype(np.int64)
    levels = np.arange(node.low + 1, node.high + 1, dtype=np.int64)
    # For each row and level the first column that reaches the level, and whether there is one, and one before it.
    column = np.stack([np.searchsorted(row, levels) for row in table]) + second_range[0]
    reached, below = column <= second_range[1], column > second_range[0]
    at, before = np.zeros((2, len(weights), len(levels)), np.int64)
    beyond = np.int64(1) << 40
    for index, (first, second) in enumerate(weights.tolist()):
        sums = rows[:, None] * first + column * second
        at[index] = np.where(reached, sums, beyond).min(0)
        before[index] = np.where(below, sums - second, -beyond).max(0)
    lower, upper = at < beyond, before > -beyond
    return Staircase(
        levels=levels,
        at=np.where(lower, at, 0),
        before=np.where(upper, before, 0),
        lower=lower,
        upper=upper,
        low=weights @ np.array([first_range[0], second_range[0]]),
        high=weights @ np.array([first_range[1], second_range[1]]),
        slope=sum(node.weights) / weights.sum(1),
    )


def _accumulator_width(weights: Int64Array, first_range: tuple[int, int], second_range: tuple[int, int]) -> Int64Array:
    """Bits, two's complement, of every partial sum of the products of digits, those of high digits 256-fold."""
    widths = []
    for pair in weights.tolist():
        smallest = largest = 0
        for weight, values in zip(pair, (first_range, second_range), strict=True):
            high, low = balanced_digits(weight)
            for factor in (256 * high, low):
                products = (factor * values[0], factor * values[1])
                smallest += min(*products, 0)
                largest += max(*products, 0)
        widths.append(max((-smallest - 1).bit_length() if smallest < 0 else 0, largest.bit_length()) + 1)
    return np.array(widths)
