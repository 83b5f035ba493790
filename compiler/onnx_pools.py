"""Pooling: MaxPool, AveragePool, GlobalAveragePool and ReduceMean over a map, in QDQ and in QLinear form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .graph import MaxPool
from .onnx_builder import GraphBuilder, Handler, map_elements
from .onnx_layers import accumulated, finish_layer
from .onnx_model import LARGEST_MAP, OnnxNode
from .onnx_numerics import average_pool_scale, exact_average_scale
from .onnx_quantization import dequantized_map
from .onnx_values import Accumulated, Integers, Reals, Value
from .onnx_window import window
from .problem import Refusal
from .window import Window

__all__ = ["POOLS", "pool_window", "refuse_indices"]


def refuse_indices(build: GraphBuilder, node: OnnxNode) -> None:
    """Refuses a MaxPool of which more than the maxima is used."""
    if any(build.model.uses[name] for name in node.outputs[1:]):
        raise Refusal("its second output, the indices, is used", "only the maxima are supported")


def pool_window(node: OnnxNode, extent: tuple[int, int], spatial: int) -> Window:
    """The window of a pool on a map of ``extent`` (height, width) that has ``spatial`` dimensions in the model."""
    if any(int(step) != 1 for step in node.attributes.get("dilations", ())):
        raise Refusal("its dilations are not 1", f"use {node.operator.removeprefix('QLinear')} without dilation")
    kernel = tuple(int(size) for size in node.attributes.get("kernel_shape", ()))
    return window(node.attributes, kernel, extent[2 - spatial :])


def _max_pool(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if not isinstance(value, Integers | Reals):
        raise Refusal(
            "its input is not quantized", "insert QuantizeLinear and DequantizeLinear between the layer and MaxPool"
        )
    if isinstance(value, Reals) and (value.minimum > -math.inf or value.maximum < math.inf):
        raise Refusal("a Relu or Clip in front of it is not quantized", "quantize it together with its producer")
    refuse_indices(build, node)
    height, width, channels = build.as_map(value.tensor, value.elements)
    spatial = value.elements.ndim - 2
    frame = pool_window(node, (height, width), spatial)
    rows, columns = frame.output_extent(height, width)
    shape = (1, channels, *(rows, columns)[2 - spatial :])
    name = _pool_reference(build, node, isinstance(value, Reals))
    build.result.nodes.append(
        MaxPool(
            name=node.name,
            operator=node.operator,
            input=value.tensor,
            output=name,
            kernel=frame.kernel,
            stride=frame.stride,
            padding=frame.padding,
        )
    )
    result = build.new_map(
        name,
        (rows, columns, channels),
        map_elements(shape),
        build.quantization_of(value.tensor),
    )
    source = build.result.tensors[value.tensor]
    build.result.tensors[name] = replace(build.result.tensors[name], format=source.format)
    if isinstance(value, Reals):
        return Reals(name, result.elements, build.model.uses[node.outputs[0]] == 1, direct=False)
    return result


def _pool_reference(build: GraphBuilder, node: OnnxNode, real: bool) -> str:
    """The quantized tensor that holds a pool's maxima: its own output, or that of the QuantizeLinear behind it."""
    output = node.outputs[0]
    if real:
        for reader in build.readers[output]:
            if reader.operator == "QuantizeLinear" and reader.input(0) == output:
                return reader.outputs[0]
    return output


def _average_pool(build: GraphBuilder, node: OnnxNode) -> Value:
    activations, reasons = dequantized_map(build, node)
    return _average(build, node, activations, reasons)


def _global_average_pool(build: GraphBuilder, node: OnnxNode) -> Value:
    activations, reasons = dequantized_map(build, node)
    return replace(_global_average(build, node, activations), reasons=reasons)


def _reduce_mean(build: GraphBuilder, node: OnnxNode) -> Value:
    """The mean over rows and columns: an average pool that ONNX Runtime computes in float32."""
    activations, _ = dequantized_map(build, node)
    rank = activations.elements.ndim
    if node.input(1):
        axes = tuple(int(axis) for axis in build.constant(node, 1, "the axes").ravel())
    else:
        axes = tuple(int(axis) for axis in node.attributes.get("axes", ()))
    if rank not in (3, 4) or {axis % rank for axis in axes} != set(range(2, rank)):
        raise Refusal(
            f"it averages over the axes {', '.join(map(str, axes)) or 'all'}",
            "average over all rows and columns of a map",
        )
    total = _global_average(build, node, activations)
    elements = total.elements
    if not node.attributes.get("keepdims", 1):
        elements = elements.reshape(elements.shape[:2])
    source, channels = build.result.tensors[activations.tensor], len(total.bias)
    count = math.prod(source.shape[:2])
    x_scale = build.tensor_scale(activations.tensor)
    return replace(
        total,
        elements=elements,
        ties_up=True,
        scale=lambda y_scale: np.full(channels, exact_average_scale(x_scale, y_scale, count)),
    )


def _qlinear_average_pool(build: GraphBuilder, node: OnnxNode) -> Value:
    _check_channels_first(node)
    total = _average(build, node, build.integers(node, 0, 1, 2))
    return finish_layer(build, total, node, build.output_quantization(node))


def _qlinear_global_average_pool(build: GraphBuilder, node: OnnxNode) -> Value:
    _check_channels_first(node)
    total = _global_average(build, node, build.integers(node, 0, 1, 2))
    return finish_layer(build, total, node, build.output_quantization(node))


def _average(
    build: GraphBuilder, node: OnnxNode, value: Integers | Reals, reasons: tuple[str, ...] = ()
) -> Accumulated:
    height, width, channels = build.as_map(value.tensor, value.elements)
    frame = pool_window(node, (height, width), value.elements.ndim - 2)
    if any(frame.padding) and not node.attributes.get("count_include_pad", 0):
        raise Refusal(
            "with padding and count_include_pad=0 the divisor changes at the border",
            "use count_include_pad=1 or no padding",
        )
    count = math.prod(frame.kernel)
    total = _average_sums(build, node, value, frame, channels, count)
    x_scale = build.tensor_scale(value.tensor)
    return replace(
        total,
        reasons=reasons,
        ties_up=True,
        scale=lambda y_scale: np.full(channels, exact_average_scale(x_scale, y_scale, count)),
    )


def _global_average(build: GraphBuilder, node: OnnxNode, value: Integers | Reals) -> Accumulated:
    height, width, channels = build.as_map(value.tensor, value.elements)
    frame = Window((height, width))
    return _average_sums(build, node, value, frame, channels, height * width)


def _average_sums(
    build: GraphBuilder, node: OnnxNode, value: Integers | Reals, frame: Window, channels: int, count: int
) -> Accumulated:
    height, width, _ = build.result.tensors[value.tensor].shape
    rows, columns = frame.output_extent(height, width)
    if channels * math.prod(frame.kernel) > LARGEST_MAP:
        raise Refusal("its windows are too large", f"average at most {LARGEST_MAP} elements")
    total = accumulated(
        build,
        node,
        value.tensor,
        frame,
        channels,
        np.ones((channels, *frame.kernel, 1), np.int8),
        np.zeros(channels, np.int64),
        np.ones(channels, np.float32),
        (rows, columns, channels),
        value.elements.ndim,
        True,
        (),
    )
    x_scale = build.tensor_scale(value.tensor)
    return replace(
        total,
        count=count,
        scale=lambda y_scale: np.full(channels, average_pool_scale(x_scale, y_scale, count), np.float32),
    )


def _check_channels_first(node: OnnxNode) -> None:
    if int(node.attributes.get("channels_last", 0)):
        raise Refusal("channels_last=1 is not supported", "use a model that ONNX Runtime has not optimized already")


POOLS: dict[tuple[str, str], Handler] = {
    ("", "MaxPool"): _max_pool,
    ("", "AveragePool"): _average_pool,
    ("", "GlobalAveragePool"): _global_average_pool,
    ("", "ReduceMean"): _reduce_mean,
    ("com.microsoft", "QLinearAveragePool"): _qlinear_average_pool,
    ("com.microsoft", "QLinearGlobalAveragePool"): _qlinear_global_average_pool,
}
"""Handlers by domain and operator."""
