"""TensorFlow Lite's fixed-point product against gemmlowp's functions, written again in Python's integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from macaw.compiler.fixed_point import fixed_point_product


def truncated(a: int, b: int) -> int:
    """C's integer division."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """gemmlowp, fixedpoint.h; b is never the lowest integer here."""
    product = a * b
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    return truncated(product + nudge, 1 << 31)


def rounding_divide_by_pot(x: int, exponent: int) -> int:
    """gemmlowp, fixedpoint.h."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def multiply_by_quantized_multiplier(x: int, multiplier: int, shift: int, rounding: str) -> int:
    """TensorFlow Lite, kernels/internal/common.cc."""
    if rounding == "single":
        total = 31 - shift
        return (x * multiplier + (1 << total - 1)) >> total
    high = saturating_rounding_doubling_high_mul(x << max(shift, 0), multiplier)
    return rounding_divide_by_pot(high, max(-shift, 0))


@given(
    values=st.lists(st.integers(-(2**24), 2**24), min_size=1, max_size=20),
    multiplier=st.one_of(st.just(0), st.integers(2**30, 2**31 - 1), st.sampled_from([2**30, 3 * 2**29, 2**31 - 1])),
    shift=st.integers(-31, 6),
    rounding=st.sampled_from(["tflm", "single"]),
)
def test_product(values: list[int], multiplier: int, shift: int, rounding: str) -> None:
    expected = [multiply_by_quantized_multiplier(x, multiplier, shift, rounding) for x in values]
    assert fixed_point_product(np.array(values), multiplier, shift, rounding).tolist() == expected


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("tflm", [-2, -1, -1, 0, 0, 1, 1, 1, 2]), ("single", [-1, -1, -1, 0, 0, 0, 1, 1, 2])],
)
def test_halves(rounding: str, expected: list[int]) -> None:
    """A quarter of -6 .. 6: two roundings send halves away from zero, and 1/4 to 1/2 and on to 1; one sends halves up."""
    values = np.array([-6, -5, -3, -1, 0, 1, 2, 3, 6])
    assert fixed_point_product(values, 2**30, -1, rounding).tolist() == expected


def test_channels_and_unknown_rounding() -> None:
    product = fixed_point_product(np.array([[100], [-100]]), np.array([2**30, 2**31 - 1]), np.array([0, -3]), "tflm")
    assert product.tolist() == [[50, 13], [-50, -13]]
    with pytest.raises(ValueError, match="rounding must be one of tflm, single, not 'bankers'"):
        fixed_point_product(np.array([1]), 2**30, 0, "bankers")
