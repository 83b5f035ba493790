"""The solver of lines: the smallest multiplier and offset, by brute force, with and without nudge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.compiler.line_solver import LARGEST_SHIFT, WIDEST_MULTIPLIER, LineSolver
from macaw.compiler.requantization import FixedPointRequantization, FloatRequantization
from macaw.compiler.staircase import Staircase, staircase, step_starts
from macaw.sim.golden.requantizer import requantizer


def one(*values: int) -> Any:
    return np.array(values, np.int64)


def stairs(rule: Any, low: int, high: int, constant: int = 0) -> Staircase:
    return staircase(rule, one(constant), one(low), one(high))


def outputs(solver: LineSolver, multiplier: int, offsets: Any, shift: int, rule: Any) -> Any:
    """The engine's formula on the whole range of channel 0 (rows), for several offsets (columns)."""
    a = np.arange(solver.staircase.low[0], solver.staircase.high[0] + 1)
    nudge = shift - solver.fraction if solver.pivot > -128 else 0
    columns = np.atleast_1d(np.asarray(offsets, np.int64))
    parameters = np.full_like(columns, multiplier), columns, np.full_like(columns, shift)
    return requantizer(a[:, None], *parameters, rule.low, rule.high, solver.pivot, nudge)


def is_exact(solver: LineSolver, multiplier: int, offsets: Any, shift: int, rule: Any, constant: int = 0) -> bool:
    """Whether one of the offsets gives the reference's outputs everywhere."""
    a = np.arange(solver.staircase.low[0], solver.staircase.high[0] + 1)
    wanted = rule.outputs(a + constant, 0)[:, None]
    return bool((outputs(solver, multiplier, offsets, shift, rule) == wanted).all(0).any())


@pytest.mark.parametrize(("pivot", "fraction"), [(-128, 0), (1, 1), (0, 2), (127, 2)])
def test_smallest_multiplier_and_offset(pivot: int, fraction: int) -> None:
    generator = np.random.default_rng(7)
    solved = unsolved = 0
    for _ in range(30):
        rule = FixedPointRequantization(
            zero_point=int(generator.integers(-1, 2)),
            low=-3,
            high=3,
            multiplier=one(int(generator.integers(2**30, 2**31))),
            shift=one(-int(generator.integers(0, 3))),
        )
        solver = LineSolver(
            stairs(rule, -int(generator.integers(0, 9)), int(generator.integers(0, 9))), pivot, fraction
        )
        for shift in (2, 3):
            found, multiplier, offset = solver.solve(np.array([0]), shift, 2 ** (shift + 1), 2**20)
            offsets = np.arange(-20 << shift, 20 << shift)
            exact = [m for m in range(2 ** (shift + 1)) if is_exact(solver, m, offsets, shift, rule)]
            assert bool(exact) == found[0]
            if found[0]:
                assert multiplier[0] == exact[0]
                assert is_exact(solver, multiplier[0], offset[0], shift, rule)
                assert not is_exact(solver, multiplier[0], offset[0] - 1, shift, rule) or multiplier[0] == 0
                solved += 1
            else:
                unsolved += 1
    assert solved > 5
    assert unsolved > 5


@settings(deadline=None, max_examples=150)
@given(
    multiplier=st.integers(2**30, 2**31 - 1),
    right=st.integers(1, 12),
    zero_point=st.integers(-128, 127),
    bounds=st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(sorted),
    ends=st.tuples(st.integers(-(2**18), 2**18), st.integers(-(2**18), 2**18)).map(sorted),
    constant=st.integers(-(2**16), 2**16),
)
def test_two_roundings_always_have_a_line_with_nudge(
    multiplier: int, right: int, zero_point: int, bounds: list[int], ends: list[int], constant: int
) -> None:
    """With the reference's own multiplier of 31 bits, its shift and a nudge of 31 bits, at the latest."""
    rule = FixedPointRequantization(
        zero_point=zero_point, low=bounds[0], high=bounds[1], multiplier=one(multiplier), shift=one(-right)
    )
    solver = LineSolver(stairs(rule, ends[0], ends[1], constant), zero_point, right)
    found, multipliers, offsets = solver.solve(np.array([0]), right + 31, 2**31, 2**60)
    assert found[0]
    assert multipliers[0] <= multiplier
    assert is_exact(solver, multipliers[0], offsets[0], right + 31, rule, constant)
    # The narrower ones that it finds for other shifts are right, too.
    bits = solver.multiplier_bits(np.array([0]))[0]
    for shift in np.flatnonzero(bits <= WIDEST_MULTIPLIER)[:3].tolist():
        found, multipliers, offsets = solver.solve(np.array([0]), shift, 2 ** int(bits[shift]), 2**60)
        assert found[0]
        assert is_exact(solver, multipliers[0], offsets[0], shift, rule, constant)


def test_two_roundings_have_no_line_without_nudge() -> None:
    rule = FixedPointRequantization(zero_point=0, multiplier=one(1518500250), shift=one(-8))
    bits = LineSolver(stairs(rule, -20000, 20000)).multiplier_bits(np.array([0]))
    assert bits.shape == (1, LARGEST_SHIFT + 1)
    assert (bits > WIDEST_MULTIPLIER).all()
    one_sided = FixedPointRequantization(zero_point=-128, multiplier=one(1518500250), shift=one(-8))
    assert (LineSolver(stairs(one_sided, -20000, 40000)).multiplier_bits(np.array([0])) <= 24).any()


def test_sums_that_int64_does_not_hold() -> None:
    """Python's integers take over."""
    rule = FloatRequantization(zero_point=0, scale=np.array([2.0**-25], np.float32), ties_up=True)
    solver = LineSolver(stairs(rule, -(2**31), 2**31 - 1))
    found, multiplier, offset = solver.solve(np.array([0]), 48, 2**34, 2**70)
    assert (found[0], multiplier[0]) == (True, 2**23)
    for a in (-(2**31), -(2**24) - 1, -(2**24), 0, 2**24 - 1, 2**24, 2**31 - 1):
        assert min(max((a * int(multiplier[0]) + int(offset[0])) >> 48, -128), 127) == rule.outputs(one(a), 0)[0]


def test_limits_of_multiplier_and_offset() -> None:
    rule = FloatRequantization(zero_point=0, scale=np.array([0.0137], np.float32))
    solver = LineSolver(stairs(rule, -3000, 3000))
    found, multiplier, offset = solver.solve(np.array([0]), 20, 2**34, 2**60)
    assert found[0]
    assert not solver.solve(np.array([0]), 20, int(multiplier[0]), 2**60)[0][0]
    total = abs(int(offset[0])) + 3000 * int(multiplier[0])
    assert solver.solve(np.array([0]), 20, 2**34, total + 1)[0][0]
    assert not solver.solve(np.array([0]), 20, 2**34, 3000 * int(multiplier[0]) - int(offset[0]))[0][0]


@settings(deadline=None, max_examples=60)
@given(
    scale_bits=st.floats(-20.0, 3.0),
    zero_point=st.integers(-128, 127),
    constant=st.integers(-(2**22), 2**22),
    ends=st.tuples(st.integers(-(2**20), 2**20), st.integers(-(2**20), 2**20)).map(sorted),
)
def test_step_starts(scale_bits: float, zero_point: int, constant: int, ends: list[int]) -> None:
    """The first accumulator of each level, wherever the search begins."""
    rule = FloatRequantization(zero_point=zero_point, scale=np.array([2.0**scale_bits], np.float32))
    starts = step_starts(rule, one(constant), one(ends[0]), one(ends[1]))[0]
    levels = np.arange(-127, 128)
    reached = rule.outputs(np.minimum(starts, ends[1]) + constant, 0) >= levels
    assert (reached | (starts > ends[1])).all()
    before = rule.outputs(np.maximum(starts - 1, ends[0]) + constant, 0) < levels
    assert (before | (starts == ends[0])).all()
