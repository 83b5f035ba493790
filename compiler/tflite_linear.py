"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .graph import Convolution
from .problem import Refusal
from .tflite_builder import GraphBuilder, Handler, Map, Padded, Value
from .tflite_file import TfliteOperator
from .tflite_quantization import (
    activation_quantization,
    activation_range,
    bias_integers,
    fixed_point,
    weight_integers,
)
from .tflite_window import tflite_window
from .window import Window

__all__ = ["LINEAR", "windowed_input"]


def windowed_input(build: GraphBuilder, operator: TfliteOperator) -> tuple[Map, tuple[int, int, int, int]]:
    """The map that a windowed layer reads, and the PAD in front of it: top, left, bottom, right."""
    value = build.value(operator, 0)
    if isinstance(value, Padded):
        activation_quantization(build.tensor(operator, 0))
        return value.map, value.padding
    return build.quantized(operator, 0), (0, 0, 0, 0)


def _conv(build: GraphBuilder, operator: TfliteOperator) -> Value:
    value, explicit = windowed_input(build, operator)
    integers, scales = weight_integers(build.tensor(operator, 1), 0)
    if integers.ndim != 4:
        raise Refusal(f"its weights have {integers.ndim} dimensions", "correct the model")
    _, _, channels = build.as_map(value)[0]
    outputs, inputs = integers.shape[0], integers.shape[3]
    if not inputs or channels % inputs or outputs % (channels // inputs):
        raise Refusal(
            f"its weights read {inputs} channels and make {outputs}, which does not divide its input's {channels}",
            "correct the model",
        )
    return _windowed(build, operator, value, explicit, integers, scales, channels // inputs)


def _depthwise(build: GraphBuilder, operator: TfliteOperator) -> Value:
    value, explicit = windowed_input(build, operator)
    integers, scales = weight_integers(build.tensor(operator, 1), 3)
    if integers.ndim != 4 or integers.shape[0] != 1:
        raise Refusal(f"its weights have shape {build.tensor(operator, 1).shape_text}", "correct the model")
    _, _, channels = build.as_map(value)[0]
    outputs = integers.shape[3]
    multiplier = int(operator.options.get("DepthMultiplier", 0))
    if outputs % channels or multiplier not in (0, outputs // channels):
        raise Refusal(
            f"its {outputs} filters are not {multiplier or 'a whole number'} for each of the {channels} channels",
            "correct the model",
        )
    return _windowed(build, operator, value, explicit, np.moveaxis(integers, 3, 0)[:, 0, :, :, None], scales, channels)


def _windowed(
    build: GraphBuilder,
    operator: TfliteOperator,
    value: Map,
    explicit: tuple[int, int, int, int],
    integers: NDArray[np.int64],
    scales: NDArray[np.float32],
    groups: int,
) -> Map:
    (height, width, _), swapped = build.as_map(value)
    window = tflite_window(operator.options, (integers.shape[1], integers.shape[2]), (height, width), explicit)
    outputs = len(integers)
    rows, columns = window.output_extent(height, width)
    wanted = build.output(operator).shape
    if wanted != (1, rows, columns, outputs):
        raise Refusal(
            f"its output should be 1x{rows}x{columns}x{outputs}, the model says {'x'.join(map(str, wanted))}",
            "correct the model",
        )
    unsigned = build.tensor(operator, 0).kind == "uint8"
    layer = _layer(build, operator, value, integers, scales, window, groups, float32_product=unsigned, swapped=swapped)
    extents = (columns, rows, outputs) if swapped else (rows, columns, outputs)
    return build.add_convolution(operator, value, layer, extents, activation_quantization(build.output(operator)))


def _layer(
    build: GraphBuilder,
    operator: TfliteOperator,
    value: Map,
    integers: NDArray[np.int64],
    scales: NDArray[np.float32],
    window: Window,
    groups: int,
    *,
    float32_product: bool,
    swapped: bool = False,
) -> Convolution:
    """The layer on the array. ``float32_product``: a per-tensor product of scales is rounded to float32."""
    output = activation_quantization(build.output(operator))
    x_scale = activation_quantization(build.tensor(operator, 0)).scale
    outputs = len(integers)
    product = np.float64(x_scale) * scales.astype(np.float64)
    bias_tensor = build.model.tensors[operator.input(2)] if operator.input(2) >= 0 else None
    bias = bias_integers(bias_tensor, product, output.scale, outputs)
    if float32_product and scales.size == 1:
        product = (x_scale * scales).astype(np.float64)
    bounds = activation_range(operator.options.get("FusedActivationFunction", "NONE"), output)
    real = np.broadcast_to(product / np.float64(output.scale), outputs)
    if swapped:
        integers, window = np.swapaxes(integers, 1, 2), window.swapped
    return Convolution(
        name=operator.name,
        operator=operator.operator,
        input=value.tensor,
        output=build.output(operator).name,
        weights=np.ascontiguousarray(integers, dtype=np.int8),
        bias=bias,
        requantization=fixed_point(real, output.zero_point, bounds, build.rounding),
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        groups=groups,
    )


def _fully_connected(build: GraphBuilder, operator: TfliteOperator) -> Value:
    value = build.quantized(operator, 0)
    if operator.options.get("WeightsFormat", 0):
        raise Refusal("its weights are stored shuffled", "convert the model without SHUFFLED4x16INT8 weights")
    integers, scales = weight_integers(build.tensor(operator, 1), 0)
    if integers.ndim != 2:
        raise Refusal(f"its weights have {integers.ndim} dimensions", "correct the model")
    outputs, inputs = integers.shape
    known = build.result.tensors[value.tensor].shape
    elements = math.prod(value.shape)
    if elements == inputs:
        build.claimed.add(value.tensor)
        height, width, channels = known
        window, extents = Window((height, width)), (1, 1, outputs)
    elif inputs == value.shape[-1]:  # the same product at every place of the map
        (height, width, channels), swapped = build.as_map(value)
        window, extents = Window((1, 1)), (width, height, outputs) if swapped else (height, width, outputs)
    else:
        raise Refusal(f"its weights take {inputs} values, its input has {elements}", "correct the model")
    weights = integers.reshape(outputs, *window.kernel, channels)
    layer = _layer(build, operator, value, weights, scales, window, 1, float32_product=True)
    return build.add_convolution(operator, value, layer, extents, activation_quantization(build.output(operator)))


LINEAR: dict[str, Handler] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
}
