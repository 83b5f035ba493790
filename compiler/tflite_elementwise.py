"""Element-wise operators: ADD and MUL, separate activations, QUANTIZE between integers.

With a constant operand, one number or one for each channel, an operator is a function of one int8 input: all 256 results
are computed with the reference's arithmetic (TableRequantization).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .addition_table import tflite_add_table
from .graph import Add
from .problem import Refusal
from .requantization import TableRequantization
from .tflite_builder import Constant, GraphBuilder, Handler, Map, Value
from .tflite_file import TfliteOperator, TfliteTensor
from .tflite_quantization import (
    Quantization,
    activation_quantization,
    activation_range,
    constant,
    fixed_point,
    same_quantization,
)

__all__ = ["ELEMENTWISE", "concatenation_part", "requantized"]

INPUTS = np.arange(-128, 128, dtype=np.int64)


def _add(build: GraphBuilder, operator: TfliteOperator) -> Value:
    if len(operator.inputs) != 2:
        raise Refusal(f"it has {len(operator.inputs)} inputs instead of two", "correct the model")
    output = build.output(operator)
    target = activation_quantization(output)
    quantizations = [activation_quantization(build.tensor(operator, index)) for index in range(2)]
    bounds = activation_range(operator.options.get("FusedActivationFunction", "NONE"), target)
    table = tflite_add_table(
        (quantizations[0].scale, quantizations[1].scale, target.scale),
        (quantizations[0].zero_point, quantizations[1].zero_point, target.zero_point),
        *bounds,
        build.rounding,
    )
    constants = [isinstance(build.value(operator, index), Constant) for index in range(2)]
    if any(constants):
        at = constants.index(False)
        value, other = build.quantized(operator, at), build.tensor(operator, 1 - at)
        by_channel = _channel_constants(build, value, output, other)
        rows = table[:, by_channel + 128].T if at == 0 else table[by_channel + 128]
        slope = float(quantizations[at].scale) / float(target.scale)
        return _tabulated(build, operator, value, rows, np.full(len(rows), slope), target, bounds)
    return _add_maps(build, operator, output, table, quantizations, target, bounds)


def _add_maps(
    build: GraphBuilder,
    operator: TfliteOperator,
    output: TfliteTensor,
    table: NDArray[np.int8],
    quantizations: list[Quantization],
    target: Quantization,
    bounds: tuple[int, int],
) -> Map:
    first, second = build.quantized(operator, 0), build.quantized(operator, 1)
    if first.shape != second.shape or first.shape != output.shape:
        shapes = " and ".join("x".join(map(str, part.shape)) for part in (first, second))
        raise Refusal(
            f"it adds maps of the shapes {shapes}",
            "only maps of equal shape, or a constant for each channel, can be added",
        )
    extents = build.result.tensors[first.tensor].shape
    if extents == build.result.tensors[second.tensor].shape:
        build.claimed.update((first.tensor, second.tensor))
    else:
        (height, width, channels), swapped = build.as_map(first)
        if build.as_map(second)[1] != swapped:
            remedy = "keep both branches one-dimensional in the same direction"
            raise Refusal("its inputs lie in memory in different ways", remedy)
        extents = (width, height, channels) if swapped else (height, width, channels)
    node = Add(
        name=operator.name,
        operator=operator.operator,
        input=first.tensor,
        output=output.name,
        second=second.tensor,
        table=table,
        weights=(
            float(quantizations[0].scale) / float(target.scale),
            float(quantizations[1].scale) / float(target.scale),
        ),
        zero_point=target.zero_point,
        low=bounds[0],
        high=bounds[1],
    )
    build.result.nodes.append(node)
    return build.new_map(output, extents, target)


def _mul(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """``(a - a_zp) * (b - b_zp)`` times a fixed-point multiplier, where b is constant."""
    if len(operator.inputs) != 2:
        raise Refusal(f"it has {len(operator.inputs)} inputs instead of two", "correct the model")
    constants = [isinstance(build.value(operator, index), Constant) for index in range(2)]
    if not any(constants):
        raise Refusal(
            "it multiplies two maps", "only the product with a constant, one or one for each channel, is supported"
        )
    at = constants.index(False)
    value, other = build.quantized(operator, at), build.tensor(operator, 1 - at)
    output = build.output(operator)
    target = activation_quantization(output)
    source, factor = activation_quantization(build.tensor(operator, at)), activation_quantization(other)
    numbers = _channel_constants(build, value, output, other) - factor.zero_point
    bounds = activation_range(operator.options.get("FusedActivationFunction", "NONE"), target)
    first, second = (source, factor) if at == 0 else (factor, source)
    real = float(first.scale) * float(second.scale) / float(target.scale)
    rule = fixed_point(np.full(1, real), target.zero_point, bounds, build.rounding)
    rows = rule.outputs((INPUTS - source.zero_point) * numbers[:, None], 0)
    return _tabulated(build, operator, value, rows, (numbers * real).astype(np.float64), target, bounds)


def _channel_constants(build: GraphBuilder, value: Map, output: TfliteTensor, other: TfliteTensor) -> NDArray[np.int64]:
    """A constant operand as one int8-domain number for each channel."""
    if value.shape != output.shape:
        raise Refusal("its constant enlarges the map", "use a constant for each channel, or one number")
    numbers = constant(other, "its constant operand").astype(np.int64) - (128 if other.kind == "uint8" else 0)
    if numbers.size == 1:
        return np.broadcast_to(numbers.ravel(), build.result.tensors[value.tensor].shape[2])
    (_, _, channels), _ = build.as_map(value)
    if numbers.size != channels or numbers.shape[-1] != channels:
        raise Refusal(
            f"its constant operand {other.name!r} has shape {other.shape_text}",
            "use one number, or one for each channel",
        )
    return numbers.ravel()


def _tabulated(
    build: GraphBuilder,
    operator: TfliteOperator,
    value: Map,
    rows: NDArray[Any],
    slope: NDArray[np.float64],
    target: Quantization,
    bounds: tuple[int, int],
) -> Map:
    """A layer with any monotone function of its input for each channel: ``rows[c, x + 128]``.

    Where the function falls, the weight is -1 and the table reversed: the accumulator is -1 - x.
    """
    falling = slope < 0
    tables = np.where(falling[:, None], rows[:, ::-1], rows)
    zero_point = build.result.tensors[value.tensor].zero_point
    rule = TableRequantization(
        zero_point=target.zero_point,
        low=bounds[0],
        high=bounds[1],
        table=tables.astype(np.int64) - target.zero_point,
        first=-128,
        factor=np.abs(slope),
    )
    return build.channelwise(
        operator,
        value,
        rule,
        target,
        bias=np.where(falling, -1 - zero_point, zero_point),
        weight=np.where(falling, -1, 1).astype(np.int8),
    )


def requantized(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """QUANTIZE of a map: nothing where the values stay as they are in the int8 domain, else a layer."""
    value = build.quantized(operator, 0)
    output = build.output(operator)
    source, target = build.quantization_of(value.tensor), activation_quantization(output)
    if same_quantization(source, target):
        return build.viewed(value, output)
    return _rescaled(build, operator, value, source, target, (-128, 127))


def _rescaled(
    build: GraphBuilder,
    operator: TfliteOperator,
    value: Map,
    source: Quantization,
    target: Quantization,
    bounds: tuple[int, int],
) -> Map:
    channels = build.result.tensors[value.tensor].shape[2]
    real = np.full(channels, float(source.scale) / float(target.scale))
    return build.channelwise(operator, value, fixed_point(real, target.zero_point, bounds, build.rounding), target)


def _relu(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """RELU rescales to the output's quantization."""
    value = build.quantized(operator, 0)
    output = build.output(operator)
    source, target = build.quantization_of(value.tensor), activation_quantization(output)
    bounds = activation_range("RELU", target)
    if same_quantization(source, target):
        return build.clamped(operator, value, bounds, output)
    return _rescaled(build, operator, value, source, target, bounds)


def _bounded(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """RELU6 and RELU_N1_TO_1 clamp and do not rescale."""
    value = build.quantized(operator, 0)
    output = build.output(operator)
    bounds = activation_range(operator.operator, build.require_same(operator, value, output))
    return build.clamped(operator, value, bounds, output)


def concatenation_part(
    build: GraphBuilder, operator: TfliteOperator, part: Map, index: int, target: Quantization
) -> Map:
    """A uint8 part of a CONCATENATION in the quantization of the whole: float32, halves away from zero (concatenation.h,
    ConcatenationWithScaling)."""
    source = build.quantization_of(part.tensor)
    scale = source.scale * (np.float32(1.0) / target.scale)
    bias = np.float32(-(source.zero_point + 128)) * scale
    real = (INPUTS + 128).astype(np.float32) * scale + bias
    rounded = np.copysign(np.floor(np.abs(real) + np.float32(0.5)), real).astype(np.int64)
    channels = part.shape[-1]
    rule = TableRequantization(
        zero_point=target.zero_point,
        table=np.broadcast_to(rounded, (channels, 256)),
        first=-128,
        factor=np.full(channels, float(source.scale) / float(target.scale)),
    )
    tensor = build.derived(build.output(operator), f"part {index}", build.tensor(operator, index).shape)
    return build.channelwise(
        operator, part, rule, target, bias=source.zero_point, name=f"{operator.name} part {index}", output=tensor
    )


ELEMENTWISE: dict[str, Handler] = {
    "ADD": _add,
    "MUL": _mul,
    "RELU": _relu,
    "RELU6": _bounded,
    "RELU_N1_TO_1": _bounded,
}
