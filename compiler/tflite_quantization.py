"""Quantization of a TensorFlow Lite model: activations, weights and biases as the integers of the graph, and multipliers.

The arithmetic is TensorFlow Lite Micro's: multipliers are computed in double precision and quantized to 31 bits
(quantization_util.cc, QuantizeMultiplier), the product of two per-tensor scales of a fully connected layer and of a uint8
convolution is rounded to float32 first (kernel_util.cc, GetQuantizedConvolutionMultipler), that of a convolution with int8
activations is not (PopulateConvolutionQuantizationParams).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problem import Refusal
from .requantization import FixedPointRequantization
from .tflite_file import TfliteTensor

__all__ = [
    "QUANTIZE_REMEDY",
    "Quantization",
    "activation_range",
    "bias_integers",
    "constant",
    "fixed_point",
    "activation_quantization",
    "quantize_multiplier",
    "same_quantization",
    "weight_integers",
]

QUANTIZE_REMEDY = (
    "convert it with full integer quantization (representative_dataset, supported_ops = [TFLITE_BUILTINS_INT8], "
    "inference_input_type and inference_output_type tf.int8)"
)
_ELEMENTS: dict[str, Any] = {
    "int8": np.int8,
    "uint8": np.uint8,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
}
_BIAS_TOLERANCE = 0.02
"""Output steps by which an accumulator's step and a bias's may differ (kernel_util.cc)."""


@dataclass(frozen=True)
class Quantization:
    """Scale and zero point of an activation. ``zero_point`` is in the int8 domain, also where ``unsigned``."""

    scale: np.float32
    zero_point: int
    unsigned: bool

    def __str__(self) -> str:
        return f"scale {self.scale:g} and zero point {self.zero_point + (128 if self.unsigned else 0)}"


def activation_quantization(tensor: TfliteTensor) -> Quantization:
    """Scale and zero point of an int8 or uint8 activation. Raises Refusal for anything else."""
    if tensor.kind not in ("int8", "uint8"):
        remedy = "quantize activations to int8: " + QUANTIZE_REMEDY
        raise Refusal(f"tensor {tensor.name!r} is {tensor.kind}, only int8 and uint8 activations are supported", remedy)
    if not tensor.scales.size:
        raise Refusal(f"tensor {tensor.name!r} has no quantization parameters", QUANTIZE_REMEDY)
    if tensor.scales.size != 1 or tensor.zero_points.size != 1:
        raise Refusal(
            f"tensor {tensor.name!r} has {tensor.scales.size} scales and {tensor.zero_points.size} zero points",
            "quantize activations per tensor, with one of each",
        )
    scale, zero_point = tensor.scales[0], int(tensor.zero_points[0])
    if not (math.isfinite(scale) and scale > 0):
        raise Refusal(f"tensor {tensor.name!r} has the scale {scale}, which is not positive", QUANTIZE_REMEDY)
    unsigned = tensor.kind == "uint8"
    zero_point -= 128 if unsigned else 0
    if not -128 <= zero_point <= 127:
        raise Refusal(f"tensor {tensor.name!r} has a zero point outside {tensor.kind}", QUANTIZE_REMEDY)
    return Quantization(scale, zero_point, unsigned)


def same_quantization(first: Quantization, second: Quantization) -> bool:
    """Whether scale and zero point are equal; signedness does not matter in the int8 domain."""
    return first.scale == second.scale and first.zero_point == second.zero_point


def constant(tensor: TfliteTensor, what: str) -> NDArray[Any]:
    """The numbers of a constant tensor, in its shape. Raises Refusal if it has none or their count is wrong."""
    if tensor.buffer is None:
        raise Refusal(f"{what}, {tensor.name!r}, must be constant", "freeze the variables when converting")
    if tensor.sparse:
        raise Refusal(f"{what}, {tensor.name!r}, is stored sparse", "convert the model without sparsity encoding")
    if tensor.kind not in _ELEMENTS:
        raise Refusal(f"{what}, {tensor.name!r}, must not be {tensor.kind}", "use int8 weights: " + QUANTIZE_REMEDY)
    kind = np.dtype(_ELEMENTS[tensor.kind]).newbyteorder("<")
    wanted = math.prod(tensor.shape) * kind.itemsize
    if any(extent < 0 for extent in tensor.shape) or len(tensor.buffer) != wanted:
        raise Refusal(
            f"{what}, {tensor.name!r}, has {len(tensor.buffer)} bytes of data, but {tensor.kind} of shape "
            f"{tensor.shape_text} needs {wanted}",
            "the file is damaged: convert the model again",
        )
    return np.frombuffer(tensor.buffer, kind).reshape(tensor.shape)


def weight_integers(tensor: TfliteTensor, axis: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Weights minus their zero point, and their scale: one, or one for each output, which lies along ``axis``."""
    array = constant(tensor, "its weights")
    if array.dtype not in (np.int8, np.uint8):
        raise Refusal(
            f"its weights, {tensor.name!r}, must not be {tensor.kind}", "use int8 weights: " + QUANTIZE_REMEDY
        )
    scales, zero_points = tensor.scales, tensor.zero_points
    if not scales.size:
        raise Refusal(f"its weights, {tensor.name!r}, have no quantization parameters", QUANTIZE_REMEDY)
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise Refusal(f"its weights, {tensor.name!r}, have a scale that is not positive", QUANTIZE_REMEDY)
    if scales.size > 1 and (tensor.axis != axis or scales.size != array.shape[axis]):
        raise Refusal(
            f"its weights, {tensor.name!r}, have {scales.size} scales along axis {tensor.axis}, not one for each of the "
            f"{array.shape[axis]} outputs (axis {axis})",
            "quantize weights per tensor or per output channel",
        )
    if zero_points.size not in (1, scales.size):
        raise Refusal(
            f"its weights, {tensor.name!r}, have {zero_points.size} zero points for {scales.size} scales",
            QUANTIZE_REMEDY,
        )
    if zero_points.size > 1 and zero_points.any():
        raise Refusal(f"its weights, {tensor.name!r}, are asymmetric per channel", "quantize weights symmetrically")
    integers = array.astype(np.int64) - int(zero_points[0])
    if integers.min() < -128 or integers.max() > 127:
        raise Refusal(
            f"its weights, {tensor.name!r}, minus their zero point {int(zero_points[0])} reach "
            f"{integers.min()}..{integers.max()}, which needs more than the engine's 8 bits",
            "quantize weights symmetrically to int8: " + QUANTIZE_REMEDY,
        )
    return integers, scales


def bias_integers(
    tensor: TfliteTensor | None, scale: NDArray[np.float64], y_scale: np.float32, outputs: int
) -> NDArray[np.int64]:
    """A bias, one for each output. ``scale`` is the accumulator's, which the bias must have, as TensorFlow Lite asks."""
    if tensor is None:
        return np.zeros(outputs, np.int64)
    if tensor.kind != "int32":
        rule = f"its bias, {tensor.name!r}, is {tensor.kind}, not int32"
        raise Refusal(rule, "int64 biases belong to int16 activations: " + QUANTIZE_REMEDY)
    integers = constant(tensor, "its bias").astype(np.int64).ravel()
    if integers.size != outputs:
        raise Refusal(
            f"its bias, {tensor.name!r}, has {integers.size} values for {outputs} outputs", "correct the model"
        )
    if tensor.scales.size in (1, outputs):
        difference = np.abs(tensor.scales.astype(np.float64) - scale) / float(y_scale)
        if not (difference <= _BIAS_TOLERANCE).all():
            raise Refusal(
                f"the scale of its bias, {tensor.name!r}, is not that of the input times that of the weights",
                QUANTIZE_REMEDY,
            )
    return integers


def quantize_multiplier(
    real: NDArray[np.float64] | float, rounding: str = "tflm"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``real`` = multiplier * 2**(shift - 31) with 31 bits, as TensorFlow Lite rounds it: halves up.

    A multiplier below 2**-31 becomes 0; with ``rounding`` "single" one above 2**30 the largest that there is.
    """
    fraction, exponent = np.frexp(np.asarray(real, np.float64))
    multiplier, shift = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64), exponent.astype(np.int64)
    full = multiplier == 1 << 31
    multiplier, shift = np.where(full, 1 << 30, multiplier), np.where(full, shift + 1, shift)
    tiny, huge = shift < -31, (shift > 30) & (rounding == "single")
    multiplier = np.where(tiny, 0, np.where(huge, (1 << 31) - 1, multiplier))
    return multiplier, np.where(tiny, 0, np.where(huge, 30, shift))


def fixed_point(
    real: NDArray[np.float64], zero_point: int, bounds: tuple[int, int], rounding: str
) -> FixedPointRequantization:
    """Requantization by the real multipliers of the channels."""
    if not np.isfinite(real).all():
        raise Refusal("its scales are too far apart for float32", "quantize the model again")
    multiplier, shift = quantize_multiplier(real, rounding)
    if shift.max(initial=0) > 30:
        raise Refusal("the scale of its output is far too small for its sums", "quantize the model again")
    return FixedPointRequantization(
        zero_point=zero_point, low=bounds[0], high=bounds[1], multiplier=multiplier, shift=shift, rounding=rounding
    )


def activation_range(activation: str, output: Quantization) -> tuple[int, int]:
    """Bounds of a quantized output with a fused activation (kernel_util.cc, CalculateActivationRangeQuantized)."""
    limits = {"NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
    if activation not in limits:
        raise Refusal(
            f"its fused activation {activation} is not supported",
            "use RELU, RELU6, RELU_N1_TO_1 or a separate operator",
        )

    def bound(real: float | None, otherwise: int) -> int:
        if real is None:
            return otherwise
        steps = np.float32(real) / output.scale
        rounded = math.copysign(math.floor(abs(float(steps)) + 0.5), steps) if math.isfinite(steps) else steps
        return int(min(max(output.zero_point + rounded, -128), 127))

    low, high = limits[activation]
    return bound(low, -128), bound(high, 127)
