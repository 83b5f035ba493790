"""Operators that move data and compute nothing: Reshape and its like, Transpose, Identity, Pad."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .onnx_builder import GraphBuilder, Handler, dense
from .onnx_model import LARGEST_MAP, OnnxNode
from .onnx_values import (
    Accumulated,
    Chained,
    Constant,
    Hosted,
    Integers,
    Prepared,
    Reals,
    ScaledConstant,
    Source,
    Summed,
    Unknown,
    Unquantized,
    Value,
)
from .problem import Refusal

__all__ = ["MOVEMENT"]


def _identity(build: GraphBuilder, node: OnnxNode) -> Value:
    if node.operator == "Dropout" and node.input(2) and bool(build.constant(node, 2, "training_mode").any()):
        raise Refusal("it is in training mode", "export the model for inference")
    value = build.value(node, 0)
    if isinstance(value, Integers | Reals):
        return replace(value, exclusive=value.exclusive and build.model.uses[node.outputs[0]] == 1)
    return value


def _move(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    shape = _target_shape(build, node, value)
    return _moved(build, node, value, lambda elements: elements.reshape(shape))


def _target_shape(build: GraphBuilder, node: OnnxNode, value: Value) -> tuple[int, ...]:
    if isinstance(value, Constant):
        source = value.array.shape
    elif isinstance(value, ScaledConstant):
        source = value.integers.shape
    else:
        assert not isinstance(value, Unknown)
        source = value.elements.shape
    if node.operator == "Flatten":
        axis = int(node.attributes.get("axis", 1))
        axis += len(source) if axis < 0 else 0
        return (math.prod(source[:axis]), math.prod(source[axis:]))
    static = build.model.type(node.outputs[0]).static
    target = build.values.get(node.input(1))
    if static is None and node.operator == "Reshape" and isinstance(target, Constant):
        wanted = [int(extent) for extent in target.array.ravel()]
        if not node.attributes.get("allowzero", 0):
            wanted = [source[i] if extent == 0 and i < len(source) else extent for i, extent in enumerate(wanted)]
        static = tuple(wanted)
        if static.count(-1) == 1:
            rest = math.prod(extent for extent in static if extent != -1)
            static = tuple(math.prod(source) // max(rest, 1) if extent == -1 else extent for extent in static)
    if static is None or math.prod(static) != math.prod(source):
        raise Refusal("the shape of its output is not known", "make the shape a constant (quant_pre_process)")
    return static


def _transpose(build: GraphBuilder, node: OnnxNode) -> Value:
    order = tuple(int(axis) for axis in node.attributes.get("perm", ()))
    value = build.value(node, 0)
    if isinstance(value, ScaledConstant):
        axes = order or tuple(reversed(range(value.integers.ndim)))
        axis = axes.index(value.axis) if value.scale.ndim else value.axis
        return replace(value, integers=value.integers.transpose(axes), axis=axis, moved=True)
    return _moved(build, node, value, lambda elements: elements.transpose(order or None))


def _moved(build: GraphBuilder, node: OnnxNode, value: Value, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Value:
    if isinstance(value, Constant):
        return Constant(move(value.array))
    if isinstance(value, ScaledConstant):
        if value.scale.ndim:
            raise Refusal("it reshapes constants that are quantized per channel", "fold it into the constant")
        return replace(value, integers=move(value.integers), moved=True)
    if isinstance(value, Hosted):
        if value.steps[-1].kind == "argmax":
            raise Refusal("it follows ArgMax, which is the last step of the host", "remove it")
        return replace(value, elements=move(value.elements))
    if isinstance(value, Reals):
        exclusive = value.exclusive and build.model.uses[node.outputs[0]] == 1
        return replace(value, elements=move(value.elements), direct=False, exclusive=exclusive)
    if isinstance(value, Unquantized):
        return replace(value, elements=move(value.elements), direct=False)
    if isinstance(value, Prepared | Chained | Summed):
        return replace(value, elements=move(value.elements))
    if isinstance(value, Integers):
        exclusive = value.exclusive and build.model.uses[node.outputs[0]] == 1
        return replace(value, elements=move(value.elements), exclusive=exclusive)
    if isinstance(value, Accumulated):
        reason = f"{node.operator} stands between it and its QuantizeLinear"
        return replace(value, elements=move(value.elements), reasons=(*value.reasons, reason))
    assert isinstance(value, Source)
    return Source(move(value.elements))


def _pad(build: GraphBuilder, node: OnnxNode) -> Value:
    """Padding that the convolution behind it takes over: only zeros, which are the zero point."""
    mode = node.attributes.get("mode", b"constant")
    if (mode.decode() if isinstance(mode, bytes) else mode) != "constant":
        raise Refusal(f"mode={mode!r} is not supported", "pad with zeros")
    value = build.value(node, 0)
    if not isinstance(value, Integers | Reals) or value.elements.ndim not in (3, 4):
        raise Refusal("its input is not a quantized map", "let it pad a map in front of a convolution")
    pads = node.attributes["pads"] if "pads" in node.attributes else build.constant(node, 1, "the padding").ravel()
    rank = value.elements.ndim
    axes = build.constant(node, 3, "the axes").ravel() if node.input(3) else np.arange(rank)
    if len(pads) != 2 * len(axes):
        raise Refusal(f"pads has {len(pads)} numbers for {len(axes)} dimensions", "correct the model")
    width = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        width[int(axis)] = (int(pads[index]), int(pads[index + len(axes)]))
    if any(width[0] + width[1]):
        raise Refusal("it pads batch or channels", "pad rows and columns only")
    if min(map(min, width)) < 0 or max(map(max, width)) >= max(value.elements.shape[2:]):
        raise Refusal("it crops, or pads by more than the map", "use a padding smaller than the kernel behind it")
    stated = node.attributes.get("value", 0.0)
    if node.input(2):
        filler = build.value(node, 2)
        if isinstance(filler, ScaledConstant):
            filler = Constant(filler.integers * filler.scale)
        if not isinstance(filler, Constant) or filler.array.size != 1:
            raise Refusal("its value must be one constant", "pad with zeros")
        stated = filler.array.reshape(()).item()
    tensor = build.result.tensors[value.tensor]
    zero = 0.0
    if isinstance(value, Integers):
        zero = build.quantization_of(value.tensor).stated_zero_point
        if math.isnan(tensor.scale):
            raise Refusal("it pads integers whose zero point is not known", "quantize the input in the model")
    if stated != zero:
        raise Refusal(f"it pads with {stated:g}, not with the zero point, {zero:g}", "pad with zeros")
    padded = [extent + sum(pads) for extent, pads in zip(value.elements.shape, width, strict=True)]
    if math.prod(padded) > LARGEST_MAP:
        raise Refusal(f"its output has {math.prod(padded)} elements", f"use maps of at most {LARGEST_MAP} elements")
    build.as_map(value.tensor, dense(value.elements))
    value = build.value(node, 0)
    assert isinstance(value, Integers | Reals)
    exclusive = value.exclusive and build.model.uses[node.outputs[0]] == 1
    return replace(value, elements=np.pad(value.elements, width, constant_values=-1), exclusive=exclusive)


MOVEMENT: dict[tuple[str, str], Handler] = {
    ("", "Flatten"): _move,
    ("", "Reshape"): _move,
    ("", "Squeeze"): _move,
    ("", "Unsqueeze"): _move,
    ("", "Transpose"): _transpose,
    ("", "Identity"): _identity,
    ("", "Dropout"): _identity,
    ("", "Pad"): _pad,
}
"""Handlers by domain and operator."""
