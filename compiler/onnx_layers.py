"""Layers on the array from the values of an ONNX model: sums, their requantization, what ONNX Runtime does otherwise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .graph import Convolution, Deviation
from .onnx_builder import GraphBuilder, map_elements
from .onnx_constants import channel_scale, int8_weights
from .onnx_model import LARGEST_MAP, OnnxNode
from .onnx_numerics import Quantization, average_pool_is_exact, clip_bounds, clip_is_absorbed, product_scale
from .onnx_values import Accumulated, Integers, Reals, ScaledConstant
from .onnx_window import padded, window, without_margins
from .problem import Refusal
from .requantization import FloatRequantization, TableRequantization
from .window import Window

__all__ = ["NARROW_REASON", "SIGNED_REASON", "accumulated", "convolution", "elementwise_layer", "finish_layer", "fully_connected"]

INT32_MAX = 2**31 - 1
NARROW_REASON = "ONNX Runtime has no integer kernel for 4 bits and computes it in float32"
SIGNED_REASON = "which ONNX Runtime fuses only with the session option session.qdqisint8allowed=1"


def convolution(
    build: GraphBuilder,
    node: OnnxNode,
    value: Integers | Reals,
    weights: ScaledConstant,
    bias: NDArray[np.int64],
    biased: bool,
    reasons: tuple[str, ...] = (),
) -> Accumulated:
    """The sums of a one- or two-dimensional convolution."""
    if weights.integers.ndim not in (3, 4):
        raise Refusal(
            f"its weights have {weights.integers.ndim} dimensions", "only one- and two-dimensional convolutions"
        )
    elements, margins = without_margins(value.elements)
    height, width, channels = build.as_map(value.tensor, elements)
    spatial = value.elements.ndim - 2
    if weights.integers.ndim != value.elements.ndim:
        raise Refusal("its weights do not have the dimensions of its input", "correct the model")
    kernel = tuple(int(extent) for extent in weights.integers.shape[2:])
    stated = tuple(int(extent) for extent in node.attributes.get("kernel_shape", kernel))
    if stated != kernel:
        raise Refusal(f"kernel_shape {stated} is not that of its weights, {kernel}", "correct the model")
    extents = (height + margins[0] + margins[2], width + margins[1] + margins[3])
    frame = padded(window(node.attributes, kernel, extents[2 - spatial :]), margins)
    groups = int(node.attributes.get("group", 1))
    outputs, inputs = (int(extent) for extent in weights.integers.shape[:2])
    if groups < 1 or inputs * groups != channels or outputs % groups:
        raise Refusal(
            f"{groups} groups of {inputs} input channels do not make {channels} channels, {outputs} outputs",
            "correct the model",
        )
    array = weights.integers.reshape(outputs, inputs, *frame.kernel)
    rows, columns = frame.output_extent(height, width)
    return accumulated(
        build,
        node,
        value.tensor,
        frame,
        groups,
        int8_weights(np.moveaxis(array, 1, -1)),
        bias,
        channel_scale(weights, 0, outputs),
        (rows, columns, outputs),
        value.elements.ndim,
        biased,
        reasons,
    )


def fully_connected(
    build: GraphBuilder,
    node: OnnxNode,
    value: Integers | Reals,
    matrix: NDArray[np.int64],
    scale: NDArray[np.float32],
    bias: NDArray[np.int64],
    biased: bool,
    reasons: tuple[str, ...] = (),
) -> Accumulated:
    """A product with a (inputs, outputs) matrix: a convolution whose kernel covers the map."""
    inputs, outputs = matrix.shape
    if value.elements.ndim != 2 or value.elements.shape[0] != 1:
        raise Refusal(
            f"its input has shape {'x'.join(map(str, value.elements.shape))}, not 1 x values",
            "flatten the map in front of it",
        )
    tensor = build.result.tensors[value.tensor]
    if value.elements.size != inputs or inputs != math.prod(tensor.shape):
        raise Refusal(f"its matrix takes {inputs} values, its input has {value.elements.size}", "correct the model")
    weights = np.empty((outputs, inputs), np.int64)
    weights[:, value.elements.ravel()] = matrix.T
    build.claimed.add(value.tensor)
    height, width, channels = tensor.shape
    return accumulated(
        build,
        node,
        value.tensor,
        Window((height, width)),
        1,
        int8_weights(weights.reshape(outputs, height, width, channels)),
        bias,
        scale,
        (1, 1, outputs),
        value.elements.ndim,
        biased,
        reasons,
    )


def accumulated(
    build: GraphBuilder,
    node: OnnxNode,
    tensor: str,
    frame: Window,
    groups: int,
    weights: NDArray[np.int8],
    bias: NDArray[np.int64],
    weight_scale: NDArray[np.float32],
    shape: tuple[int, int, int],
    rank: int,
    biased: bool,
    reasons: tuple[str, ...],
) -> Accumulated:
    """The sums of a layer, refused where they can leave int32; a tensor of ``rank`` dimensions in the source model."""
    if math.prod(shape) > LARGEST_MAP:
        raise Refusal(f"its output has {math.prod(shape)} elements", f"use maps of at most {LARGEST_MAP} elements")
    source = build.result.tensors[tensor]
    largest = max(127 - source.zero_point, 128 + source.zero_point)
    magnitudes = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(1) * largest + np.abs(bias)
    if magnitudes.max(initial=0) > INT32_MAX:
        channel = int(magnitudes.argmax())
        raise Refusal(f"the sums of output channel {channel} can exceed int32", "use smaller kernels or a smaller bias")
    x_scale = build.tensor_scale(tensor)
    return Accumulated(
        name=node.name,
        operator=node.operator,
        tensor=tensor,
        window=frame,
        groups=groups,
        weights=weights,
        bias=bias,
        weight_scale=weight_scale,
        scale=lambda y_scale: product_scale(x_scale, weight_scale, y_scale),
        shape=shape,
        elements=map_elements((1, shape[2], *shape[4 - rank : 2])),
        reasons=reasons,
        biased=biased,
    )


def finish_layer(build: GraphBuilder, total: Accumulated, node: OnnxNode, quantization: Quantization) -> Integers:
    """Close a layer: its sums get an output quantization."""
    name = node.outputs[0]
    scale, zero_point, unsigned = quantization.scale, quantization.zero_point, quantization.unsigned
    y_scale = np.float32(scale)
    reasons = list(total.reasons)
    low, high = clip_bounds(total.minimum, total.maximum, scale, zero_point)
    if not clip_is_absorbed(total.minimum, total.maximum, scale, zero_point):
        reasons.append("its Relu or Clip is not implied by the output's range, so ONNX Runtime computes it in float32")
    source = build.result.tensors[total.tensor]
    narrow = quantization.bits == 4 or source.format == "int4"
    if narrow:
        reasons = [*(reason for reason in reasons if reason != NARROW_REASON), NARROW_REASON]
        low, high = max(low, quantization.limits[0]), min(high, quantization.limits[1])
        low, high = min(low, high), max(low, high)
    elif node.operator == "QuantizeLinear" and not unsigned and build.stays_signed(name):
        reasons.append(f"its int8 output does not have just one reader, {SIGNED_REASON}")
    elif source.unsigned != unsigned:
        reasons.append("its input and output have different types (uint8, int8)")
    if total.count and average_pool_is_exact(
        np.float32(source.scale), source.zero_point, y_scale, zero_point, total.count
    ):
        reasons = []  # whatever computes it
    elif total.ties_up:
        reasons = ["ONNX Runtime averages in float32 and decides ties by rounding noise; the engine rounds them up"]
    if reasons:
        reason = "; ".join(reasons)
        build.result.deviations.append(Deviation(node=total.name, operator=total.operator, steps=1, reason=reason))
    with np.errstate(over="ignore", under="ignore"):
        factors = total.scale(y_scale)
    if not np.isfinite(factors).all():
        raise Refusal("its output scale is too small for its input and weight scales", "calibrate the model again")
    layer = Convolution(
        name=total.name,
        operator=total.operator,
        input=total.tensor,
        output=name,
        weights=total.weights,
        bias=total.bias,
        requantization=FloatRequantization(
            scale=factors, zero_point=zero_point, low=low, high=high, ties_up=total.ties_up
        ),
        stride=total.window.stride,
        padding=total.window.padding,
        dilation=total.window.dilation,
        groups=total.groups,
    )
    build.result.nodes.append(layer)
    return build.new_map(name, total.shape, total.elements, quantization)


def elementwise_layer(
    build: GraphBuilder,
    name: str,
    operator: str,
    tensor: str,
    output: str,
    steps: NDArray[np.int64],
    factor: NDArray[np.float64],
    quantization: Quantization,
    bounds: tuple[int, int],
) -> None:
    """A monotone function of each element as a depthwise convolution with a kernel of 1 x 1; the caller adds ``output``.

    ``steps[c, x + 128]`` is the output for the element x, without zero point and clamp to ``bounds``; ``factor`` its slope in
    output steps for each channel, negative where the function falls.
    """
    source = build.result.tensors[tensor]
    channels = source.shape[2]
    weights = np.where(factor < 0, -1, 1).astype(np.int8)
    sums = np.arange(-255, 256)
    place = np.clip(sums * weights[:, None].astype(np.int64) + source.zero_point, -128, 127) + 128
    build.result.nodes.append(
        Convolution(
            name=name,
            operator=operator,
            input=tensor,
            output=output,
            weights=weights.reshape(channels, 1, 1, 1),
            bias=np.zeros(channels, np.int64),
            requantization=TableRequantization(
                table=np.take_along_axis(steps, place, 1),
                first=-255,
                factor=np.abs(factor),
                zero_point=quantization.zero_point,
                low=bounds[0],
                high=bounds[1],
            ),
            groups=channels,
        )
    )
