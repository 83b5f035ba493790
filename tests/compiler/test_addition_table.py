"""TensorFlow Lite's ADD as a table: against its formulas in Python's integers, and against recorded maps of a model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.compiler.addition_table import tflite_add_table

from .test_fixed_point import multiply_by_quantized_multiplier


def quantize(real: float) -> tuple[int, int]:
    """QuantizeMultiplier of quantization_util.cc, for 0 < real."""
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    return (multiplier // 2, shift + 1) if multiplier == 2**31 else (multiplier, shift)


@settings(deadline=None, max_examples=60)
@given(
    exponents=st.tuples(st.floats(-8, 2), st.floats(-8, 2), st.floats(-8, 2)),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127), st.integers(-128, 127)),
    bounds=st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(sorted),
    pairs=st.lists(st.tuples(st.integers(-128, 127), st.integers(-128, 127)), min_size=30, max_size=30),
    rounding=st.sampled_from(["tflm", "single"]),
)
def test_formula(
    exponents: tuple[float, float, float],
    zero_points: tuple[int, int, int],
    bounds: list[int],
    pairs: list[tuple[int, int]],
    rounding: str,
) -> None:
    first, second, output = (np.float32(2.0**exponent) for exponent in exponents)
    table = tflite_add_table((first, second, output), zero_points, bounds[0], bounds[1], rounding)
    twice = 2 * max(float(first), float(second))
    for a, b in pairs:
        raw = 0
        for value, zero_point, scale in ((a, zero_points[0], first), (b, zero_points[1], second)):
            raw += multiply_by_quantized_multiplier(
                (value - zero_point) << 20, *quantize(float(scale) / twice), rounding
            )
        scaled = multiply_by_quantized_multiplier(raw, *quantize(twice / (2**20 * float(output))), rounding)
        assert table[a + 128, b + 128] == min(max(scaled + zero_points[2], bounds[0]), bounds[1])


def test_equal_scales_round_away_from_the_zero_point_or_up() -> None:
    """(a + b) / 2: every second sum is a tie."""
    scales = (np.float32(0.25), np.float32(0.25), np.float32(0.5))
    values = np.arange(-128, 128)
    doubled = values[:, None] + values[None, :]
    away = np.sign(doubled) * ((np.abs(doubled) + 1) // 2)
    up = (doubled + 1) // 2
    for rounding, expected in (("tflm", away), ("single", up)):
        table = tflite_add_table(scales, (0, 0, 0), -128, 127, rounding)
        assert np.array_equal(table, np.clip(expected, -128, 127))


def test_clamp() -> None:
    table = tflite_add_table((np.float32(1), np.float32(1), np.float32(1)), (0, 0, 0), -5, 100, "tflm")
    assert (int(table.min()), int(table.max())) == (-5, 100)


def test_unknown_rounding() -> None:
    with pytest.raises(ValueError, match="not 'up'"):
        tflite_add_table((np.float32(1), np.float32(1), np.float32(1)), (0, 0, 0), -128, 127, "up")
