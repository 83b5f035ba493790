"""TensorFlow Lite Micro's integer SOFTMAX and LOGISTIC, bit for bit: what the host computes behind the last layer.

Both read int8 of any scale and give int8 of scale 1/256 and zero point -128. The arithmetic is gemmlowp's fixed point on
int32: a number with k integer bits is held times 2**(31 - k), a product is :func:`_product` whatever the operands' bits are,
and has the integer bits of both. Sources: tensorflow/lite/kernels/internal/reference/softmax.h and integer_ops/logistic.h,
quantization_util.cc, gemmlowp/fixedpoint/fixedpoint.h.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTPUT_SCALE", "OUTPUT_ZERO_POINT", "logistic_int8", "softmax_int8"]

OUTPUT_SCALE, OUTPUT_ZERO_POINT = 1.0 / 256.0, -128
"""Quantization of the outputs."""

Int64Array = NDArray[np.int64]
_LARGEST = (1 << 31) - 1
_EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-1/4), exp(-1/2), exp(-1), ... exp(-16) without integer bits."""


def softmax_int8(inputs: NDArray[np.int8], scale: float) -> NDArray[np.int8]:
    """``exp(scale * x) / sum(exp(scale * x))`` over the last axis. ``scale`` is the input's, times beta."""
    real = min(scale * (1 << 26), _LARGEST)
    multiplier, left = _multiplier(real)
    if left < 0:
        raise ValueError(f"a softmax needs an input scale above 2**-26, not {scale:g}")
    difference = inputs.astype(np.int64) - inputs.max(axis=-1, keepdims=True)
    counted = difference >= -_input_radius(5, left)
    scaled = _product(np.where(counted, difference, 0) << left, multiplier)
    powers = _exp_of_negative(scaled, 5)
    total = np.where(counted, _divide(powers, 12), 0).sum(axis=-1, keepdims=True)
    headroom = 31 - np.floor(np.log2(total.astype(np.float64))).astype(np.int64)
    reciprocal = _one_over_one_plus((total << headroom) - (1 << 31))
    shares = _divide(_product(reciprocal, powers), 12 - headroom + 31 - 8)
    return np.where(counted, np.clip(shares - 128, -128, 127), -128).astype(np.int8)


def logistic_int8(inputs: NDArray[np.int8], scale: float, zero_point: int) -> NDArray[np.int8]:
    """``1 / (1 + exp(-scale * (x - zero_point)))``, element by element."""
    multiplier, left = _multiplier(scale * (1 << 27))
    radius = _input_radius(4, left)
    centred = inputs.astype(np.int64) - zero_point
    inside = np.clip(centred, -radius, radius)
    scaled = _divide(_product(inside << max(left, 0), multiplier), max(-left, 0))
    positive = _one_over_one_plus(_exp_of_negative(-np.abs(scaled), 4))
    real = np.where(scaled > 0, positive, np.where(scaled < 0, _LARGEST - positive, 1 << 30))
    result = np.clip(_divide(real, 23) - 128, -128, 127)
    return np.where(centred <= -radius, -128, np.where(centred >= radius, 127, result)).astype(np.int8)


def _multiplier(real: float) -> tuple[int, int]:
    """``real`` as a multiplier of 31 bits and a left shift."""
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    return (multiplier // 2, shift + 1) if multiplier == 1 << 31 else (multiplier, shift)


def _input_radius(integer_bits: int, left: int) -> int:
    """The largest input that does not overflow ``integer_bits`` integer bits after its shift to the left."""
    return math.floor(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits - left))


def _product(a: Int64Array | int, b: Int64Array | int) -> Int64Array:
    """Saturating rounding doubling high multiply: ``a * b / 2**31``, halves up."""
    return np.minimum((np.asarray(a, np.int64) * b + (1 << 30)) >> 31, _LARGEST)


def _divide(x: Int64Array, exponent: int | Int64Array) -> Int64Array:
    """``x / 2**exponent``, halves away from zero."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def _saturating_left(x: Int64Array, exponent: int) -> Int64Array:
    return np.clip(x << exponent, -_LARGEST - 1, _LARGEST)


def _exp_of_negative(a: Int64Array, integer_bits: int) -> Int64Array:
    """``exp(a)`` for a <= 0 with ``integer_bits``; the result has none. A Taylor series on -1/4..0, then a factor a bit."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << fraction_bits - 2
    modulo = (a & quarter - 1) - quarter
    x = _saturating_left(modulo, integer_bits) + (1 << 28)
    square = _product(x, x)
    cube, fourth = _product(square, x), _product(square, square)
    series = _divide(_product(_divide(fourth, 2) + cube, 715827883) + square, 1)
    result = 1895147668 + _product(1895147668, x + series)
    remainder = modulo - a
    for bit, factor in enumerate(_EXP_FACTORS[: integer_bits + 2], fraction_bits - 2):
        result = np.where(remainder >> bit & 1, _product(result, factor), result)
    return np.where(a == 0, _LARGEST, result)


def _one_over_one_plus(a: Int64Array) -> Int64Array:
    """``1 / (1 + a)`` for 0 <= a < 1 without integer bits: three steps of Newton and Raphson."""
    half = (a + _LARGEST + 1) // 2
    x = 1515870810 + _product(half, -1010580540)
    for _ in range(3):
        x = x + _saturating_left(_product(x, (1 << 29) - _product(half, x)), 2)
    return _saturating_left(x, 1)
