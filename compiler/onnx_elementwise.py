"""Relu and Clip: bounds of the layer in front of them."""

from __future__ import annotations

import math
from dataclasses import replace

from .onnx_builder import GraphBuilder, Handler
from .onnx_constants import QUANTIZE_REMEDY
from .onnx_model import OnnxNode
from .onnx_values import Accumulated, Reals, ScaledConstant, Value
from .problem import Refusal

__all__ = ["ELEMENTWISE"]


def _relu(build: GraphBuilder, node: OnnxNode) -> Value:
    return _bounded(build, node, 0.0, math.inf)


def _clip(build: GraphBuilder, node: OnnxNode) -> Value:
    bounds = [-math.inf, math.inf]
    for index, attribute in enumerate(("min", "max")):
        if node.input(index + 1):
            value = build.value(node, index + 1)
            if isinstance(value, ScaledConstant) and value.integers.size == 1:
                bounds[index] = float((value.integers * value.scale).reshape(()))
                continue
            bound = build.constant(node, index + 1, f"the bound {attribute}")
            if bound.size != 1:
                raise Refusal(f"the bound {attribute} must be one number", "correct the model")
            bounds[index] = float(bound.reshape(()))
        elif attribute in node.attributes:
            bounds[index] = float(node.attributes[attribute])
    if math.isnan(bounds[0]) or math.isnan(bounds[1]) or bounds[0] > bounds[1]:
        raise Refusal(f"its bounds {bounds[0]:g} and {bounds[1]:g} are not ascending", "correct the model")
    return _bounded(build, node, *bounds)


def _bounded(build: GraphBuilder, node: OnnxNode, minimum: float, maximum: float) -> Value:
    value = build.value(node, 0)
    if isinstance(value, Accumulated) and build.model.uses[node.input(0)] != 1:
        value = replace(value, reasons=(*value.reasons, "its sums are used without the Relu or Clip too"))
    if isinstance(value, Reals):
        exclusive = value.exclusive and build.model.uses[node.outputs[0]] == 1
        value = replace(value, direct=False, exclusive=exclusive)
    if isinstance(value, Accumulated | Reals):
        low = min(max(value.minimum, minimum), maximum)
        return replace(value, minimum=low, maximum=max(low, min(value.maximum, maximum)))
    raise Refusal("its input is not the result of a quantized layer", QUANTIZE_REMEDY)


ELEMENTWISE: dict[tuple[str, str], Handler] = {
    ("", "Relu"): _relu,
    ("", "Clip"): _clip,
}
"""Handlers by domain and operator."""
