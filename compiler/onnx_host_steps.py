"""What the host computes behind the last layer: Softmax, ArgMax."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .graph import HostStep
from .onnx_builder import GraphBuilder, Handler
from .onnx_constants import QUANTIZE_REMEDY
from .onnx_model import OnnxNode
from .onnx_values import Hosted, Integers, Reals, Value
from .problem import Refusal

__all__ = ["HOST_STEPS"]

_AFTER_HOST = {"Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "ArgMax", "QuantizeLinear"}


def _softmax(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if not isinstance(value, Reals) or value.minimum > -math.inf or value.maximum < math.inf:
        raise Refusal("its input is not the dequantized output of a layer", QUANTIZE_REMEDY)
    _check_classes(build, node, value.elements, int(node.attributes.get("axis", -1 if build.model.opset >= 13 else 1)))
    steps = (HostStep(kind="dequantize", name=node.input(0)), HostStep(kind="softmax", name=node.name))
    return Hosted(value.tensor, value.elements, steps)


def _argmax(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if not isinstance(value, Integers | Reals | Hosted):
        raise Refusal("its input is not the output of a layer", QUANTIZE_REMEDY)
    if isinstance(value, Reals) and (value.minimum > -math.inf or value.maximum < math.inf):
        raise Refusal("a Relu or Clip in front of it is not quantized", "remove it: ArgMax does not need it")
    if node.attributes.get("select_last_index", 0):
        raise Refusal("select_last_index=1 is not supported", "use the first index")
    _check_classes(build, node, value.elements, int(node.attributes.get("axis", 0)))
    steps: tuple[HostStep, ...] = ()
    if isinstance(value, Hosted):
        steps = value.steps
    elif isinstance(value, Reals):
        steps = (HostStep(kind="dequantize", name=node.input(0)),)
    return Hosted(value.tensor, value.elements, (*steps, HostStep(kind="argmax", name=node.name)))


def _check_classes(build: GraphBuilder, node: OnnxNode, elements: NDArray[np.int64], axis: int) -> None:
    shape = elements.shape
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis < len(shape) or shape[axis] != elements.size:
        raise Refusal(
            f"it works along axis {axis} of {'x'.join(map(str, shape))}, not on one vector",
            "only a final vector of classes is supported",
        )
    if any(build.model.nodes[i].operator not in _AFTER_HOST for i in _consumers(build, node.outputs[0])):
        raise Refusal("layers follow it", "only a final Softmax or ArgMax is supported; the host computes it")


def _consumers(build: GraphBuilder, name: str) -> Iterable[int]:
    return (index for index, node in enumerate(build.model.nodes) if name in node.inputs)


HOST_STEPS: dict[tuple[str, str], Handler] = {
    ("", "Softmax"): _softmax,
    ("", "ArgMax"): _argmax,
}
"""Handlers by domain and operator."""
