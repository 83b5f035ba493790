"""What the host computes behind the last layer: Softmax, Sigmoid, ArgMax, in QDQ and in QLinear form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .graph import HostStep
from .onnx_builder import GraphBuilder, Handler, dense
from .onnx_constants import QUANTIZE_REMEDY
from .onnx_model import OnnxNode
from .onnx_numerics import Quantization
from .onnx_values import Hosted, Integers, Reals, Value
from .problem import Refusal

__all__ = ["HOST_STEPS", "check_classes", "dequantize_on_host", "quantize_on_host"]

AFTER_HOST = {
    "Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "ArgMax", "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip
"""Operators that may follow a result of the host."""


def quantize_on_host(value: Hosted, name: str, quantization: Quantization) -> Hosted:
    """QuantizeLinear and DequantizeLinear of a result of the host: one step, complete when the latter has been seen."""
    if value.steps[-1].kind == "argmax" or value.quantization is not None:
        raise Refusal("it quantizes a result of the host that is not real", "remove it")
    # QLinearSoftmax multiplies by a whole number instead of dividing by the scale.
    kind = "requantize_softmax" if value.steps[-1].kind == "softmax" else "requantize"
    step = HostStep(kind=kind, name=name, scale=quantization.scale, zero_point=quantization.zero_point)
    return replace(value, steps=(*value.steps, step), quantization=quantization)


def dequantize_on_host(value: Hosted, quantization: Quantization) -> Hosted:
    """The second half of :func:`quantize_on_host`."""
    if value.quantization != quantization:
        raise Refusal(
            "its scale or zero point is not that of the QuantizeLinear in front of it", "use the same in both"
        )
    return replace(value, quantization=None)


def _sigmoid(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if not isinstance(value, Reals) or value.minimum > -math.inf or value.maximum < math.inf:
        raise Refusal("its input is not the dequantized output of a layer", QUANTIZE_REMEDY)
    _check_last(build, node)
    steps = (HostStep(kind="dequantize", name=node.input(0)), HostStep(kind="sigmoid", name=node.name))
    return Hosted(value.tensor, dense(value.elements), steps)


def _qlinear(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.integers(node, 0, 1, 2)
    _check_last(build, node)
    kind = "sigmoid"
    if node.operator == "QLinearSoftmax":
        kind = "softmax"
        check_classes(build, node, value.elements, int(node.attributes.get("axis", -1)))
    steps = (HostStep(kind="dequantize", name=node.input(0)), HostStep(kind=kind, name=node.name))
    return quantize_on_host(
        Hosted(value.tensor, dense(value.elements), steps), node.name, build.output_quantization(node)
    )


def _softmax(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if not isinstance(value, Reals) or value.minimum > -math.inf or value.maximum < math.inf:
        raise Refusal("its input is not the dequantized output of a layer", QUANTIZE_REMEDY)
    check_classes(build, node, value.elements, int(node.attributes.get("axis", -1 if build.model.opset >= 13 else 1)))
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
    check_classes(build, node, value.elements, int(node.attributes.get("axis", 0)))
    steps: tuple[HostStep, ...] = ()
    if isinstance(value, Hosted):
        steps = value.steps
    elif isinstance(value, Reals):
        steps = (HostStep(kind="dequantize", name=node.input(0)),)
    return Hosted(value.tensor, value.elements, (*steps, HostStep(kind="argmax", name=node.name)))


def check_classes(build: GraphBuilder, node: OnnxNode, elements: NDArray[np.int64], axis: int) -> None:
    """Refuse a Softmax or ArgMax that does not work along one final vector."""
    shape = elements.shape
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis < len(shape) or shape[axis] != elements.size:
        raise Refusal(
            f"it works along axis {axis} of {'x'.join(map(str, shape))}, not on one vector",
            "only a final vector of classes is supported",
        )
    _check_last(build, node)


def _check_last(build: GraphBuilder, node: OnnxNode) -> None:
    if any(reader.operator not in AFTER_HOST for reader in build.readers[node.outputs[0]]):
        raise Refusal("layers follow it", "only a final Softmax or ArgMax is supported; the host computes it")


HOST_STEPS: dict[tuple[str, str], Handler] = {
    ("", "Softmax"): _softmax,
    ("", "Sigmoid"): _sigmoid,
    ("com.microsoft", "QLinearSoftmax"): _qlinear,
    ("com.microsoft", "QLinearSigmoid"): _qlinear,
    ("", "ArgMax"): _argmax,
}
"""Handlers by domain and operator."""
