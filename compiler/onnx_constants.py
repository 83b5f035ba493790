"""Weights and biases of an ONNX model as the integers of the graph, with the rules they must meet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .onnx_numerics import bias_scale_matches, integer_bias
from .onnx_values import Constant, ScaledConstant, Value
from .problem import Refusal

__all__ = ["QUANTIZE_REMEDY", "bias_integers", "channel_scale", "int8_weights", "scaled_constant", "weight_matrix"]

LARGEST_CONSTANT = 2**26
"""Elements of a constant: more than the memory of any board holds."""

INT32 = np.iinfo(np.int32)
QUANTIZE_REMEDY = (
    "quantize it with onnxruntime.quantization.quantize_static(quant_format=QuantFormat.QDQ, per_channel=True, "
    "activation_type=QuantType.QInt8, weight_type=QuantType.QInt8) after quant_pre_process"
)


def scaled_constant(array: NDArray[Any], scale: NDArray[Any], zero_point: NDArray[Any], axis: int) -> ScaledConstant:
    """Constant integers with scale and zero point, per tensor or along an axis."""
    if array.size > LARGEST_CONSTANT:
        raise Refusal(f"a constant has {array.size} elements", f"use at most {LARGEST_CONSTANT}")
    array, zero_point = (_widened(numbers) for numbers in (array, zero_point))
    if array.dtype not in (np.int8, np.uint8, np.int32):
        raise Refusal(f"a constant is quantized to {array.dtype}, not int8, uint8 or int32", QUANTIZE_REMEDY)
    if zero_point.dtype != array.dtype:
        raise Refusal(f"a constant of {array.dtype} has a zero point of {zero_point.dtype}", "use one type for both")
    if scale.dtype != np.float32:
        raise Refusal(f"a scale is {scale.dtype}, not float32", "export the model with float32 scales")
    if not (np.isfinite(scale).all() and (scale > 0.0).all()):
        raise Refusal("a weight scale is not positive", "quantize the weights again")
    axis += array.ndim if axis < 0 else 0
    if scale.size == 1 and zero_point.size == 1:
        integers = array.astype(np.int64) - int(zero_point.reshape(()))
        return ScaledConstant(integers, scale.reshape(()), axis, unsigned=array.dtype == np.uint8)
    if not 0 <= axis < array.ndim or scale.shape != (array.shape[axis],) or zero_point.size not in (1, scale.size):
        raise Refusal(
            f"{scale.size} scales and {zero_point.size} zero points do not belong to axis {axis} of a constant of shape "
            f"{'x'.join(map(str, array.shape))}",
            "quantize weights per tensor or per output channel",
        )
    along = [1] * array.ndim
    along[axis] = scale.size
    zeros = np.broadcast_to(zero_point.ravel().astype(np.int64), scale.shape).reshape(along)
    return ScaledConstant(array.astype(np.int64) - zeros, scale, axis)


def _widened(array: NDArray[Any]) -> NDArray[Any]:
    """Integers of 4 bits as those of 8."""
    wider = {"int4": np.int8, "uint4": np.uint8}.get(str(array.dtype))
    return array if wider is None else array.astype(wider)


def channel_scale(weights: ScaledConstant, axis: int, channels: int) -> NDArray[np.float32]:
    """One scale for each output channel, which lies along ``axis``."""
    if weights.scale.ndim == 0:
        return np.full(channels, weights.scale, np.float32)
    if weights.axis != axis:
        raise Refusal(
            f"its weights have one scale for each index of axis {weights.axis}, not for each output (axis {axis})",
            "quantize weights per tensor or per output channel",
        )
    return weights.scale


def int8_weights(integers: NDArray[np.int64]) -> NDArray[np.int8]:
    """Weights, zero point already subtracted, as int8."""
    if integers.size and (integers.min() < -128 or integers.max() > 127):
        raise Refusal(
            f"its weights minus their zero point reach {integers.min()}..{integers.max()}, outside int8",
            "quantize weights symmetrically (extra_options={'WeightSymmetric': True})",
        )
    return integers.astype(np.int8)


def weight_matrix(weights: ScaledConstant, transposed: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Weights as an (inputs, outputs) matrix with one scale for each output."""
    if weights.integers.ndim != 2:
        raise Refusal(f"its weights have {weights.integers.ndim} dimensions", "use a matrix of weights")
    axis = 0 if transposed else 1
    scale = channel_scale(weights, axis, weights.integers.shape[axis])
    return (weights.integers.T if transposed else weights.integers), scale


def bias_integers(value: Value, scale: NDArray[np.float32]) -> NDArray[np.int64]:
    """A bias as integers at the accumulator\'s scale, one for each output: int32 with that scale, or float32 rounded to it."""
    outputs = len(scale)
    if isinstance(value, ScaledConstant):
        if not bias_scale_matches(value.scale, scale):
            raise Refusal(
                "the scale of its bias is not x_scale * w_scale",
                "quantize the bias with that scale, as quantize_static does",
            )
        integers = value.integers.ravel()
    elif isinstance(value, Constant) and value.array.dtype == np.float32:
        if value.array.size not in (1, outputs):
            raise Refusal(f"its bias has {value.array.size} values for {outputs} outputs", "use one for each output")
        real = integer_bias(np.broadcast_to(value.array.ravel(), outputs), scale)
        if not np.isfinite(real).all() or real.min() < INT32.min or real.max() > INT32.max:
            raise Refusal("its bias does not fit int32 at the scale x_scale * w_scale", "quantize the model again")
        integers = real.astype(np.int64)
    else:
        raise Refusal("its bias is neither int32 with a scale nor a float32 constant", QUANTIZE_REMEDY)
    if integers.size not in (1, outputs):
        raise Refusal(f"its bias has {integers.size} values for {outputs} outputs", "use one value for each output")
    return np.broadcast_to(integers, outputs).copy()
