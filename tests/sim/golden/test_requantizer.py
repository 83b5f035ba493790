"""The golden requantizer against Python's integers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from macaw.sim.golden.requantizer import requantizer


@given(
    accumulator=st.integers(-(2**31), 2**31 - 1),
    multiplier=st.integers(0, 2**34 - 1),
    offset=st.integers(-(2**66), 2**66 - 1) | st.integers(-(2**40), 2**40),
    shift=st.integers(1, 48),
    low=st.integers(-128, 0),
    high=st.integers(0, 127),
)
def test_formula(accumulator: int, multiplier: int, offset: int, shift: int, low: int, high: int) -> None:
    """At the widest an engine can be, beyond int64, and with numbers that int64 holds."""
    kind = np.int64 if abs(offset) < 2**63 else object
    one = np.array([multiplier], np.int64), np.array([offset], kind), np.array([shift], np.int64)
    actual = requantizer(np.full((1, 1, 1, 1), accumulator, np.int64), *one, low, high)
    assert actual.dtype == np.int8
    assert actual[0, 0, 0, 0] == min(max((accumulator * multiplier + offset) >> shift, low), high)


def test_channels_are_last() -> None:
    sums = np.arange(-6, 6).reshape(1, 2, 2, 3)
    actual = requantizer(sums, np.array([1, 2, 3]), np.array([0, 10, 1]), np.array([1, 1, 2]), -2, 7)
    expected = np.clip((sums * [1, 2, 3] + [0, 10, 1]) >> np.array([1, 1, 2]), -2, 7)
    np.testing.assert_array_equal(actual, expected)


@given(
    accumulator=st.integers(-5, 5),
    multiplier=st.integers(0, 3),
    level=st.integers(-130, 129),
    beyond=st.integers(-6, 6),
    shift=st.integers(3, 48),
    nudge=st.integers(0, 50),
    pivot=st.integers(-128, 127),
    low=st.integers(-128, 0),
    high=st.integers(0, 127),
)
def test_nudge(
    accumulator: int, multiplier: int, level: int, beyond: int, shift: int, nudge: int, pivot: int, low: int, high: int
) -> None:
    """Sums near the beginning of a step and near the end of the nudge: outputs up to the pivot begin later."""
    for start in (0, min(1 << nudge, 1 << shift)):
        offset = (level << shift) + start + beyond - accumulator * multiplier
        one = np.array([multiplier], np.int64), np.array([offset], np.int64), np.array([shift], np.int64)
        actual = requantizer(np.array([[accumulator]]), *one, low, high, pivot, nudge)[0, 0]
        total = accumulator * multiplier + offset
        value = total // 2**shift
        if value <= pivot and total % 2**shift < 2**nudge:
            value -= 1
        assert actual == min(max(value, low), high)


def test_pivot_of_minus_128_is_no_nudge() -> None:
    sums = np.arange(-(2**12), 2**12)[:, None]
    plain = requantizer(sums, np.array([5]), np.array([77]), np.array([6]), -128, 127)
    nudged = requantizer(sums, np.array([5]), np.array([77]), np.array([6]), -128, 127, -128, 4)
    np.testing.assert_array_equal(plain, nudged)
    assert (plain != requantizer(sums, np.array([5]), np.array([77]), np.array([6]), -128, 127, -127, 4)).any()
