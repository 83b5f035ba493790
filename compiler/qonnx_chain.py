"""Real numbers behind the sums of a layer: one operator more, what the sums can be, and the chain's own arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .float_steps import apply_step, direction
from .graph import HostStep
from .onnx_builder import GraphBuilder, dense
from .onnx_layers import accumulated
from .onnx_model import OnnxNode
from .onnx_values import Accumulated, Chained, Reals
from .problem import Refusal
from .requantize import input_ranges
from .window import Window

__all__ = ["chain_values", "channel_operand", "copy_of_map", "extended", "flips", "held_bounds", "sum_bounds", "unchanged_map"]

Int64Array = NDArray[np.int64]


def held_bounds(build: GraphBuilder, tensor: str) -> tuple[int, int]:
    """The smallest and largest integer that a map can hold."""
    return input_ranges(build.result)[tensor]


def sum_bounds(build: GraphBuilder, sums: Accumulated) -> tuple[Int64Array, Int64Array]:
    """The smallest and largest sum ``sum((x - zero point) * w)`` of each output channel; padding adds 0."""
    low, high = held_bounds(build, sums.tensor)
    zero_point = build.result.tensors[sums.tensor].zero_point
    low, high = low - zero_point, high - zero_point
    if any(sums.window.padding):
        low, high = min(low, 0), max(high, 0)
    weights = sums.weights.astype(np.int64).reshape(len(sums.weights), -1)
    positive, negative = np.maximum(weights, 0).sum(1), np.minimum(weights, 0).sum(1)
    return positive * low + negative * high, positive * high + negative * low


def copy_of_map(build: GraphBuilder, node: OnnxNode, index: int) -> Chained:
    """A map as a layer of its own, 1 x 1 with a weight of 1 for each channel, so that operators can follow."""
    value = build.value(node, index)
    assert isinstance(value, Reals)
    if dense(value.elements).ndim in (3, 4):
        build.as_map(value.tensor, value.elements)
        value = build.value(node, index)
        assert isinstance(value, Reals)
    tensor = build.result.tensors[value.tensor]
    build.claimed.add(value.tensor)
    channels = tensor.shape[2]
    sums = accumulated(
        build,
        node,
        value.tensor,
        Window((1, 1)),
        channels,
        np.ones((channels, 1, 1, 1), np.int8),
        np.zeros(channels, np.int64),
        np.ones(channels, np.float32),
        tensor.shape,
        3,
        True,
        (),
    )
    factor = np.full(channels, np.float64(np.float32(tensor.scale)))
    return Chained(sums=sums, factor=factor, elements=value.elements, copy=True)


def channel_operand(array: NDArray[np.float32], chained: Chained) -> NDArray[np.float32]:
    """A constant operand as one number for each channel; refuses one that changes along rows or columns."""
    channels = len(chained.factor)
    try:
        full = np.broadcast_to(array, chained.elements.shape).ravel()
    except ValueError:
        shapes = ["x".join(map(str, shape)) for shape in (array.shape, chained.elements.shape)]
        raise Refusal(f"its constant of shape {shapes[0]} does not fit {shapes[1]}", "correct the model") from None
    channel = chained.elements.ravel() % channels
    result = np.zeros(channels, np.float32)
    result[channel] = full
    if not np.array_equal(result[channel], full):
        raise Refusal(
            f"its constant has shape {'x'.join(map(str, array.shape))}, not one number or one for each channel",
            "use one number for each channel",
        )
    return result


def extended(chained: Chained, step: HostStep) -> Chained:
    """One operator more; refuses operands that are not finite."""
    if not np.isfinite(step.operand).all():
        raise Refusal("its constant is not finite", "correct the model")
    return replace(chained, steps=(*chained.steps, step))


def flips(chained: Chained) -> NDArray[np.bool_]:
    """Channels whose real numbers fall as their sums rise."""
    sign = np.ones(len(chained.factor), np.int64)
    for step in chained.steps:
        sign = sign * direction(step)
    return sign < 0


def chain_values(chained: Chained, sums: Int64Array | NDArray[np.float64]) -> NDArray[np.float32]:
    """The real numbers of sums, channels last; infinities and what is no number are left to the caller."""
    with np.errstate(all="ignore"):
        values = (sums * chained.factor).astype(np.float32)
        for step in chained.steps:
            values = apply_step(step, values)
    return values


def unchanged_map(build: GraphBuilder, value: Chained) -> Reals | None:
    """The map that a chain copies, where its operators change none of the numbers that the map can hold (a Relu of what is
    not negative)."""
    tensor = build.result.tensors[value.sums.tensor]
    low, high = held_bounds(build, value.sums.tensor)
    points = np.arange(low, high + 1)[:, None] - tensor.zero_point
    points = np.repeat(points, len(value.factor), axis=1)
    plain = chain_values(replace(value, steps=()), points)
    return Reals(value.sums.tensor, value.elements) if np.array_equal(chain_values(value, points), plain) else None
