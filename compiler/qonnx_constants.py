"""Constants of a QONNX model: quantizers of weights, weights recognised by value, annotated sets."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .float_steps import ROUNDINGS
from .onnx_builder import GraphBuilder
from .onnx_model import OnnxNode
from .onnx_values import Constant, ScaledConstant, Value
from .problem import Problem, Refusal
from .qonnx_quantizers import Bipolar, Quantizer, Uniform

__all__ = ["annotated_members", "check_annotations", "constant_reals", "layer_weights", "quantized_constant"]

_INTEGERS = re.compile(r"(U?)INT(\d+)")


def annotated_members(datatype: str) -> tuple[int, int] | tuple[int, ...] | None:
    """The values of an annotated type that has at most 256 of them; None for other types."""
    named: dict[str, tuple[int, ...]] = {"BIPOLAR": (-1, 1), "BINARY": (0, 1), "TERNARY": (-1, 0, 1)}
    if datatype in named:
        return named[datatype]
    match = _INTEGERS.fullmatch(datatype)
    if match is None or not 1 <= int(match[2]) <= 8:
        return None
    bits = int(match[2])
    return tuple(range(1 << bits)) if match[1] else tuple(range(-(1 << bits - 1), 1 << bits - 1))


def check_annotations(build: GraphBuilder) -> None:
    """A problem for each initializer with numbers outside of the type that it is annotated with."""
    for name, datatype in build.model.datatypes.items():
        members, array = annotated_members(datatype), build.model.constants.get(name)
        if members is None or array is None:
            continue
        strange = array.ravel()[~np.isin(array.ravel(), members)]
        if strange.size:
            rule = f"initializer {name!r} is annotated as {datatype}, but holds {strange[0]:g}"
            remedy = "correct the annotation (finn_datatype) or the numbers"
            build.problems.append(Problem("", "", "x".join(map(str, array.shape)), rule, remedy))


def quantized_constant(array: NDArray[Any], quantizer: Quantizer, scale: NDArray[np.float32]) -> ScaledConstant:
    """Weights or a bias, quantized: integers without zero point, one scale or one along an axis."""
    real = array.astype(np.float32)
    axis, factors = _scale_axis(scale, real.shape)
    along = [1] * real.ndim
    if factors.ndim:
        along[axis] = factors.size
    spread = factors.reshape(along) if factors.ndim else factors
    if isinstance(quantizer, Bipolar):
        integers = np.where(real >= 0, 1, -1)
    elif isinstance(quantizer, Uniform):
        zero = np.float32(quantizer.zero_point)
        steps = np.clip((real / spread + zero).astype(np.float32), quantizer.low, quantizer.high)
        integers = ROUNDINGS[quantizer.rounding](steps).astype(np.int64) - quantizer.zero_point
    else:
        raise Refusal("it quantizes a constant", "store the quantized numbers as an initializer")
    return ScaledConstant(integers.astype(np.int64), factors, axis)


def _scale_axis(scale: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[int, NDArray[np.float32]]:
    """The axis that a scale goes along, and the scale as a vector, or one number."""
    if scale.size == 1:
        return 0, scale.reshape(())
    padded = (1,) * (len(shape) - scale.ndim) + scale.shape
    axes = [axis for axis, extent in enumerate(padded) if extent != 1]
    if len(padded) != len(shape) or len(axes) != 1 or padded[axes[0]] != shape[axes[0]]:
        sizes = ["x".join(map(str, extents)) for extents in (scale.shape, shape)]
        raise Refusal(
            f"scales of shape {sizes[0]} for a constant of shape {sizes[1]} do not belong to one axis",
            "quantize weights per tensor or per output channel",
        )
    return axes[0], scale.ravel()


def constant_reals(value: Value) -> NDArray[np.float32]:
    """The real numbers of a constant; refuses anything else."""
    if isinstance(value, Constant):
        return value.array.astype(np.float32)
    if isinstance(value, ScaledConstant):
        along = [1] * value.integers.ndim
        if value.scale.ndim:
            along[value.axis] = value.scale.size
        return value.integers.astype(np.float32) * value.scale.reshape(along)
    raise Refusal("it combines two maps", "only operators with a constant operand are supported here")


def layer_weights(build: GraphBuilder, node: OnnxNode, index: int, axis: int) -> ScaledConstant:
    """The weights of a layer, whose outputs lie along ``axis``: quantized, or such by their values."""
    value = build.value(node, index)
    if isinstance(value, ScaledConstant):
        if value.integers.size and (value.integers.min() < -128 or value.integers.max() > 127):
            raise Refusal(
                f"its weights are integers {value.integers.min()}..{value.integers.max()}, outside int8",
                "quantize weights to at most 8 bits",
            )
        return value
    if not isinstance(value, Constant):
        raise Refusal("it multiplies two activations", "only products with constant weights are supported")
    return _recognised(value.array.astype(np.float32), axis)


def _recognised(array: NDArray[np.float32], axis: int) -> ScaledConstant:
    """Real weights that are integers, or have one magnitude besides 0, in the tensor or in each output channel."""
    magnitudes = np.abs(array)
    if np.array_equal(array, np.rint(array)) and magnitudes.max(initial=0) <= 127:
        return ScaledConstant(array.astype(np.int64), np.ones((), np.float32), axis)
    rows = np.moveaxis(magnitudes, axis, 0).reshape(array.shape[axis], -1)
    largest = rows.max(1)
    if ((rows == 0) | (rows == largest[:, None])).all():
        integers = np.sign(array).astype(np.int64)
        if (largest == largest.max()).all():
            return ScaledConstant(integers, np.array(largest.max(), np.float32), axis)
        return ScaledConstant(integers, np.where(largest > 0, largest, np.float32(1)), axis)
    raise Refusal(
        "its weights are not quantized: neither integers of 8 bits nor one magnitude and 0 in each output channel",
        "quantize them with Quant or BipolarQuant",
    )
