"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .graph import Convolution, MaxPool
from .problem import Refusal
from .requantization import MeanRequantization, Requantization
from .tflite_builder import GraphBuilder, Handler, Map, Value
from .tflite_file import TfliteOperator, TfliteTensor
from .tflite_linear import windowed_input
from .tflite_quantization import (
    Quantization,
    activation_quantization,
    activation_range,
    fixed_point,
)
from .tflite_window import averaging_window, tflite_window
from .window import Window

__all__ = ["POOLS"]


def _kernel(operator: TfliteOperator) -> tuple[int, int]:
    return int(operator.options.get("FilterHeight", 0)), int(operator.options.get("FilterWidth", 0))


def _average_pool(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """The rounded mean of the raw integers: a depthwise convolution with weights 1 and the zero point added again."""
    value, explicit = windowed_input(build, operator)
    output = build.output(operator)
    quantization = build.require_same(operator, value, output)
    (height, width, channels), swapped = build.as_map(value)
    window = tflite_window(operator.options, _kernel(operator), (height, width), explicit)
    if not any(explicit):
        window = averaging_window(window, (height, width))
    elif operator.options.get("Padding", "SAME") != "VALID" and window.padding != explicit:
        raise Refusal("it has a PAD in front of it and SAME padding", "use VALID padding behind a PAD")
    count = math.prod(window.kernel)
    low, high = activation_range(operator.options.get("FusedActivationFunction", "NONE"), quantization)
    # uint8 numbers are averaged as they are, which rounds other than in the int8 domain: 128 is added and taken away again.
    shift = 128 if value.unsigned else 0
    rule = MeanRequantization(zero_point=-shift, low=low, high=high, count=np.full(channels, count, np.int64))
    bias = (quantization.zero_point + shift) * count
    return _sums(build, operator, value, window, rule, bias, quantization, swapped, output)


def _mean(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """MEAN over rows, columns or both: the fixed-point multiplier of the scales, divided by the count (reduce.h,
    QuantizedMeanOrSum)."""
    value = build.quantized(operator, 0)
    output = build.output(operator)
    rank = len(value.shape)
    axes = {int(axis) + (rank if axis < 0 else 0) for axis in build.constant(operator, 1, "its axes").ravel()}
    kept = tuple(1 if axis in axes else extent for axis, extent in enumerate(value.shape))
    if rank not in (3, 4) or not axes or not axes <= set(range(1, rank - 1)):
        raise Refusal(
            f"it averages axes {sorted(axes)} of {'x'.join(map(str, value.shape))}", "average rows, columns or both"
        )
    if output.shape not in (kept, tuple(extent for axis, extent in enumerate(value.shape) if axis not in axes)):
        raise Refusal(f"its output has shape {output.shape_text}", "correct the model")
    (height, width, channels), swapped = build.as_map(value)
    rows, columns = rank - 3 in axes, rank - 2 in axes
    window = Window((height if rows else 1, width if columns else 1))
    source, target = build.quantization_of(value.tensor), activation_quantization(output)
    if source.unsigned:
        raise Refusal("it averages uint8 numbers", "use AVERAGE_POOL_2D or quantize the model to int8")
    count = math.prod(window.kernel)
    real = np.full(channels, float(source.scale) / float(target.scale))
    rule = fixed_point(real, target.zero_point, (-128, 127), build.rounding)
    extra = np.minimum(min(count.bit_length() - 1, 32), 31 + rule.shift)
    rule = replace(rule, multiplier=(rule.multiplier << extra) // count, shift=rule.shift - extra)
    return _sums(build, operator, value, window, rule, 0, target, swapped, output)


def _sums(
    build: GraphBuilder,
    operator: TfliteOperator,
    value: Map,
    window: Window,
    rule: Requantization,
    bias: int,
    quantization: Quantization,
    swapped: bool,
    output: TfliteTensor,
) -> Map:
    """A layer that adds up the inputs of each window and channel."""
    window = window.swapped if swapped else window
    height, width, channels = build.result.tensors[value.tensor].shape
    rows, columns = window.output_extent(height, width)
    layer = Convolution(
        name=operator.name,
        operator=operator.operator,
        input=value.tensor,
        output=output.name,
        weights=np.ones((channels, *window.kernel, 1), np.int8),
        bias=np.full(channels, bias, np.int64),
        requantization=rule,
        stride=window.stride,
        padding=window.padding,
        groups=channels,
    )
    return build.add_convolution(operator, value, layer, (rows, columns, channels), quantization)


def _max_pool(build: GraphBuilder, operator: TfliteOperator) -> Value:
    value = build.quantized(operator, 0)
    output = build.output(operator)
    quantization = build.require_same(operator, value, output)
    (height, width, channels), swapped = build.as_map(value)
    window = tflite_window(operator.options, _kernel(operator), (height, width))
    bounds = activation_range(operator.options.get("FusedActivationFunction", "NONE"), quantization)
    rows, columns = window.output_extent(height, width)
    if output.shape != (1, rows, columns, channels):
        raise Refusal(
            f"its output should be 1x{rows}x{columns}x{channels}, not {output.shape_text}", "correct the model"
        )
    if swapped:
        rows, columns, window = columns, rows, window.swapped
    folded = build.fold_clamp(value, bounds)  # the maximum of clamped numbers is the clamped maximum
    tensor = output if folded else build.derived(output, "before the activation", output.shape)
    build.result.nodes.append(
        MaxPool(
            name=operator.name,
            operator=operator.operator,
            input=value.tensor,
            output=tensor.name,
            kernel=window.kernel,
            stride=window.stride,
            padding=window.padding,
        )
    )
    result = build.new_map(tensor, (rows, columns, channels), quantization)
    return result if folded else build.clamped(operator, replace(result, exclusive=False), bounds, output)


POOLS: dict[str, Handler] = {"AVERAGE_POOL_2D": _average_pool, "MAX_POOL_2D": _max_pool, "MEAN": _mean}
