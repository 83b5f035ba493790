"""The float32 arithmetic of ONNX Runtime that decides quantized results, formula by formula.

Established by experiment with ONNX Runtime 1.31 on accumulators set next to every rounding boundary:

- QLinearConv, QLinearMatMul, QGemm: scale = (x_scale * w_scale) / y_scale, out = rint(float32(acc) * scale) + zp.
- QLinearGlobalAveragePool: scale = x_scale / (y_scale * count), out = rint(float32(acc) * scale) + zp.
- QLinearAveragePool: float32 sum of dequantized inputs in row, column order, / count, / y_scale, + zp, then rint.
- QLinearAdd on x86 with AVX2, over raw integers a, b of the kernel's type (uint8 or int8): ra = a_scale / y_scale, rb
  likewise, fixed = zp - fma(ra, a_zp, rb * b_zp), out = rint(fma(a, ra, fma(b, rb, fixed))).
- QLinearMul: scale = (a_scale * b_scale) / y_scale, out = rint(float32((a - a_zp) * (b - b_zp)) * scale + zp).
- QLinearConcat: out = rint(((x - x_zp) * x_scale) / y_scale) + zp for each part, as QuantizeLinear of DequantizeLinear.
- What is not fused: DequantizeLinear (x - x_zp) * x_scale, the operator in float32, QuantizeLinear rint(x / y_scale) + zp.
- A float bias of a node that becomes QLinearConv or QGemm: rint(bias / (x_scale * w_scale)) as int32.

All rint are half to even, every operation is rounded to float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Quantization",
    "addition_table",
    "average_pool_is_exact",
    "average_pool_scale",
    "bias_scale_matches",
    "clip_bounds",
    "clip_is_absorbed",
    "dequantized",
    "exact_average_scale",
    "integer_bias",
    "product_scale",
    "product_steps",
    "quantized",
    "unfused_addition_table",
]


@dataclass(frozen=True)
class Quantization:
    """Scale, zero point in the int8 domain, and whether the integers are uint8 in the source model.

    Integers of 4 ``bits`` are -8..7 here, those of uint4 minus 8; ``unsigned`` is False for both.
    """

    scale: float
    zero_point: int
    unsigned: bool
    bits: int = 8

    @property
    def stated_zero_point(self) -> int:
        """The zero point as the source model writes it; of uint4, less 8."""
        return self.zero_point + 128 if self.unsigned else self.zero_point

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and largest integer."""
        return -(1 << self.bits - 1), (1 << self.bits - 1) - 1


def dequantized(values: NDArray[np.int64], quantization: Quantization) -> NDArray[np.float32]:
    """DequantizeLinear of values in the int8 domain."""
    return (values - quantization.zero_point).astype(np.float32) * np.float32(quantization.scale)


def quantized(real: NDArray[np.float32], quantization: Quantization) -> NDArray[np.int64]:
    """QuantizeLinear, in the int8 domain, without zero point and saturation."""
    with np.errstate(over="ignore"):
        steps = np.rint((real / np.float32(quantization.scale)).astype(np.float64))
    return np.clip(steps, -(2.0**31), 2.0**31).astype(np.int64)


def addition_table(a: Quantization, b: Quantization, y: Quantization, unsigned: bool) -> NDArray[np.int8]:
    """QLinearAdd for every pair, ``table[a + 128, b + 128]`` in the int8 domain; ``unsigned``: the kernel's type."""
    shift = 128 if unsigned else 0
    ra, rb = np.float32(a.scale) / np.float32(y.scale), np.float32(b.scale) / np.float32(y.scale)
    a_zero, b_zero = np.float32(a.zero_point + shift), np.float32(b.zero_point + shift)
    fixed = np.float32(y.zero_point + shift) - np.float32(np.float64(ra) * a_zero + rb * b_zero)
    raw = np.arange(-128, 128).astype(np.float32) + np.float32(shift)
    total = _fused(raw[:, None], ra, _fused(raw, rb, fixed)[None, :])
    return np.clip(np.rint(total.astype(np.float64)) - shift, -128, 127).astype(np.int8)


def product_steps(
    products: NDArray[np.int64], a_scale: np.float32, b_scale: np.float32, y: Quantization, unsigned: bool
) -> NDArray[np.int64]:
    """QLinearMul of ``(a - a_zp) * (b - b_zp)``, without zero point and saturation; ``unsigned``: the kernel's type."""
    zero = y.zero_point + (128 if unsigned else 0)
    scale = np.float32(np.float32(a_scale * b_scale) / np.float32(y.scale))
    return np.rint((products.astype(np.float32) * scale + np.float32(zero)).astype(np.float64)).astype(np.int64) - zero


def unfused_addition_table(
    a: Quantization, b: Quantization, y: Quantization, minimum: float, maximum: float
) -> NDArray[np.int8]:
    """DequantizeLinear of both, Add, a clip to minimum..maximum, QuantizeLinear: ``table[a + 128, b + 128]``."""
    values = np.arange(-128, 128)
    total = dequantized(values, a)[:, None] + dequantized(values, b)[None, :]
    clipped = np.clip(total, np.float32(minimum), np.float32(maximum))
    return np.clip(quantized(clipped, y) + y.zero_point, -128, 127).astype(np.int8)


def _fused(x: NDArray[np.float32], y: np.float32, z: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    """x * y + z with one rounding: exact in float64 for factors of 8 and 24 bits."""
    return (x.astype(np.float64) * np.float64(y) + z).astype(np.float32)


def product_scale(x_scale: np.float32, weight_scale: NDArray[np.float32], y_scale: np.float32) -> NDArray[np.float32]:
    """The requantization scale of QLinearConv, QLinearMatMul and QGemm."""
    return ((x_scale * weight_scale).astype(np.float32) / y_scale).astype(np.float32)


def average_pool_scale(x_scale: np.float32, y_scale: np.float32, count: int) -> np.float32:
    """The requantization scale of QLinearGlobalAveragePool."""
    return np.float32(x_scale / np.float32(y_scale * np.float32(count)))


def exact_average_scale(x_scale: np.float32, y_scale: np.float32, count: int) -> np.float64:
    """The requantization scale of the sums that QLinearAveragePool approximates in float32."""
    return np.float64(float(x_scale) / (float(y_scale) * count))


def integer_bias(bias: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float64]:
    """A float bias in units of the accumulator, whole numbers, not limited to int32."""
    with np.errstate(over="ignore"):
        return np.rint((bias.astype(np.float32) / scale).astype(np.float64))


def bias_scale_matches(scale: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    """Whether an integer bias has the scale of the accumulator, x_scale * w_scale, but for float32 rounding."""
    if scale.size not in (1, expected.size):
        return False
    return bool(np.allclose(scale.ravel(), expected, rtol=2.0**-20, atol=0.0))


def clip_bounds(minimum: float, maximum: float, scale: float, zero_point: int) -> tuple[int, int]:
    """A clip in real numbers as bounds of the quantized output (int8 domain).

    Quantization is monotone, so quantizing a clipped value equals clipping the quantized one at the quantized bounds.
    """
    low, high = -128, 127
    if minimum > -math.inf:
        low = int(np.clip(np.rint(np.float32(minimum) / np.float32(scale)) + zero_point, -128, 127))
    if maximum < math.inf:
        high = int(np.clip(np.rint(np.float32(maximum) / np.float32(scale)) + zero_point, -128, 127))
    return low, max(low, high)


def clip_is_absorbed(minimum: float, maximum: float, scale: float, zero_point: int) -> bool:
    """Whether ONNX Runtime drops a clip in front of a QuantizeLinear because the integer range implies it."""
    smallest = np.float32(-128 - zero_point) * np.float32(scale)
    largest = np.float32(127 - zero_point) * np.float32(scale)
    return bool(smallest >= minimum and largest <= maximum)


def average_pool_is_exact(
    x_scale: np.float32, x_zero_point: int, y_scale: np.float32, y_zero_point: int, count: int
) -> bool:
    """Whether QLinearAveragePool's float32 sums can never round to another output than the exact integer sum.

    True if no sum of ``count`` inputs comes closer to a rounding boundary than the largest error of the float32
    operations. Zero points are in the int8 domain.
    """
    ratio = float(exact_average_scale(x_scale, y_scale, count))
    sums = np.arange(count * (-128 - x_zero_point), count * (127 - x_zero_point) + 1, dtype=np.float64)
    outputs = sums * ratio + y_zero_point
    outputs = outputs[(outputs > -129.0) & (outputs < 128.0)]
    distance = np.abs(outputs - np.floor(outputs) - 0.5)
    error = 2.0**-24 * ((count + 4) * 255.0 * float(x_scale) / float(y_scale) + 1024.0)
    return bool(distance.size == 0 or distance.min() > error)
