"""Operators that move data and compute nothing: Reshape and its like, Transpose, Identity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from .onnx_builder import GraphBuilder, Handler
from .onnx_model import OnnxNode
from .onnx_values import Accumulated, Constant, Hosted, Integers, Reals, ScaledConstant, Source, Unknown, Value
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
    if static is None and node.operator == "Reshape" and node.input(1) in build.model.constants:
        wanted = [int(extent) for extent in build.model.constants[node.input(1)].ravel()]
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
    if isinstance(value, Integers):
        exclusive = value.exclusive and build.model.uses[node.outputs[0]] == 1
        return replace(value, elements=move(value.elements), exclusive=exclusive)
    if isinstance(value, Accumulated):
        reason = f"{node.operator} stands between it and its QuantizeLinear"
        return replace(value, elements=move(value.elements), reasons=(*value.reasons, reason))
    assert isinstance(value, Source)
    return Source(move(value.elements))


MOVEMENT: dict[tuple[str, str], Handler] = {
    ("", "Flatten"): _move,
    ("", "Reshape"): _move,
    ("", "Squeeze"): _move,
    ("", "Unsqueeze"): _move,
    ("", "Transpose"): _transpose,
    ("", "Identity"): _identity,
    ("", "Dropout"): _identity,
}
"""Handlers by domain and operator."""
