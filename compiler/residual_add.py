"""Residual addition, solved: weights, multiplier, offset and shift that equal the reference on every pair of inputs.

If no line does, whatever the weights (float32 that rounds exact halves to even), the nearest one is taken and every pair
counted for which it differs.
"""

from __future__ import annotations

import numpy as np

from ..hw.config import EngineConfig
from .addition_weights import AdditionCandidates, addition_candidates
from .certified_addition import CertifiedAddition
from .graph import Add
from .line_solver import LineSolver
from .problem import ModelError, Problem

__all__ = ["requantize_addition"]

_SLOPES = 4
"""Multipliers tried on each side of the reference's slope for an addition without an exact solution."""

_DIFFERENCE_LIMIT = 4
"""An addition may differ from the reference for one in this many pairs; otherwise it is refused."""


def requantize_addition(
    node: Add,
    channels: int,
    first_range: tuple[int, int],
    second_range: tuple[int, int],
    config: EngineConfig,
    strict: bool = False,
) -> CertifiedAddition:
    """Solve one addition of maps with so many channels and these ranges of values: of all exact solutions that the engine
    has, the narrowest accumulator, then the smallest shift, then the smallest weights.
    Raises ModelError where the engine has none, or with ``strict`` no engine has."""
    candidates = addition_candidates(node, first_range, second_range)
    solution = _exact(candidates, config)
    if solution is None:
        if candidates.solvable or strict:
            raise ModelError([_unsolved(node, candidates, config)])
        solution = _nearest(node, candidates, first_range, second_range, config)
    row, multiplier, offset, code = solution

    def equal(value: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.full(channels, value, np.int64)

    certified = CertifiedAddition(
        layer=node.name,
        weights=(int(candidates.weights[row, 0]), int(candidates.weights[row, 1])),
        multiplier=equal(multiplier),
        offset=equal(offset),
        shift_code=equal(code),
        shifts=config.shifts,
        low=node.low,
        high=node.high,
        pivot=-128,
        nudge=config.nudge,
        table=node.table,
        first_range=first_range,
        second_range=second_range,
        accumulator_width=int(candidates.width[row]),
        difference_count=0,
        largest_difference=0,
    )
    return certified if candidates.solvable else certified.counted()


def _exact(candidates: AdditionCandidates, config: EngineConfig) -> tuple[int, int, int, int] | None:
    """Row, multiplier, offset and shift code of the best exact solution."""
    rows = np.flatnonzero(candidates.width <= config.accumulator_width)
    best: tuple[int, int, int, int] | None = None
    solver = LineSolver(candidates.staircase)
    for code, shift in enumerate(config.shifts):
        found, multipliers, offsets = solver.solve(
            rows, shift, 2**config.multiplier_width, 2 ** (config.offset_width - 1)
        )
        for index in np.flatnonzero(found).tolist():
            row = int(rows[index])
            if best is None or candidates.width[row] < candidates.width[best[0]]:
                best = row, int(multipliers[index]), int(offsets[index]), code
    return best


def _nearest(
    node: Add,
    candidates: AdditionCandidates,
    first_range: tuple[int, int],
    second_range: tuple[int, int],
    config: EngineConfig,
) -> tuple[int, int, int, int]:
    """Row, multiplier, offset and shift code of the line that differs for the fewest pairs, at the largest shift for which
    the engine has multipliers around the reference's slope."""
    first = np.arange(first_range[0], first_range[1] + 1)
    second = np.arange(second_range[0], second_range[1] + 1)
    outputs = node.table[first[:, None] + 128, second[None, :] + 128].astype(np.int64).reshape(-1)
    best: tuple[int, tuple[int, int, int, int]] | None = None
    limit = 2 ** (config.offset_width - 1)
    for row in np.flatnonzero(candidates.width <= config.accumulator_width).tolist():
        slope = float(candidates.staircase.slope[row])
        fitting = [i for i, s in enumerate(config.shifts) if slope * 2.0**s + _SLOPES < 2**config.multiplier_width]
        if not fitting:
            continue
        code = fitting[-1]
        shift = config.shifts[code]
        sums = np.add.outer(first * candidates.weights[row, 0], second * candidates.weights[row, 1]).reshape(-1)
        centre = round(slope * 2.0**shift)
        for multiplier in range(max(centre - _SLOPES, 0), centre + _SLOPES + 1):
            # A pair is right for offsets from here to below there; without an end where the clamp makes the output.
            starts = (outputs << shift) - sums * multiplier
            ends = np.sort(starts[outputs < node.high] + (1 << shift))
            starts = np.sort(starts[outputs > node.low])
            offsets = np.concatenate([starts, ends - 1])
            right = np.searchsorted(starts, offsets, "right") - np.searchsorted(ends, offsets, "right")
            index = int(right.argmax())
            offset = int(offsets[index])
            totals = offset + multiplier * sums
            if not (-limit <= min(offset, int(totals.min())) and max(offset, int(totals.max())) < limit):
                continue
            own = np.clip(totals >> shift, node.low, node.high)
            count = int(np.count_nonzero(own != outputs))
            if best is None or count < best[0]:
                best = count, (row, multiplier, offset, code)
    if best is None or best[0] * _DIFFERENCE_LIMIT > outputs.size:
        raise ModelError([_unsolved(node, candidates, config)])
    return best[1]


def _unsolved(node: Add, candidates: AdditionCandidates, config: EngineConfig) -> Problem:
    have = f"multiplier_width {config.multiplier_width}, shifts {config.shifts}"
    if candidates.solvable:
        row, shift = np.unravel_index(int(candidates.bits.argmin()), candidates.bits.shape)
        need = (
            f"it needs a multiplier of {candidates.bits[row, shift]} bits with shift {shift} and accumulators of "
            f"{candidates.width[row]} bits"
        )
    else:
        need = "no weights and no multiplier compute its rounding exactly"
    return Problem(
        node.name,
        node.operator,
        f"factors {node.weights[0]:g} and {node.weights[1]:g}",
        f"no exact addition with {have} and accumulator_width {config.accumulator_width}: {need}",
        "use an engine with other shifts or wider ones, or calibrate the model's scales again",
    )
