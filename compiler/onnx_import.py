"""A quantized ONNX model to the integer graph: QDQ and QLinear form, every problem of the model reported at once."""

from __future__ import annotations

import math
from pathlib import Path

from .graph import Graph
from .onnx_builder import OUTPUT_QUANTIZATION, GraphBuilder, Handler, Skipped, map_elements, map_shape
from .onnx_constants import QUANTIZE_REMEDY
from .onnx_elementwise import ELEMENTWISE
from .onnx_endpoints import give_output, take_input
from .onnx_host_steps import HOST_STEPS
from .onnx_joins import JOINS
from .onnx_linear import LINEAR
from .onnx_model import LARGEST_MAP, OnnxNode, load_onnx
from .onnx_movement import MOVEMENT
from .onnx_pools import POOLS
from .onnx_quantization import QUANTIZATION
from .onnx_values import Unknown, Value
from .onnx_walk import walk
from .problem import ModelError, Problem, Refusal
from .qonnx_import import import_qonnx, is_qonnx
from .weight_sets import recognise_weights

__all__ = ["import_onnx"]

HANDLERS: dict[tuple[str, str], Handler] = {
    **QUANTIZATION,
    **LINEAR,
    **POOLS,
    **ELEMENTWISE,
    **JOINS,
    **MOVEMENT,
    **HOST_STEPS,
}
QUANTIZED_OPERATORS = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm"}
LEAVE_OUT = "leave it out of the accelerated part of the model"
ACTIVATION = ("this activation function is not supported", "use Relu or Clip (ReLU6) and train again")
REFUSED = {
    "ConvTranspose": ("transposed convolution is not supported yet", LEAVE_OUT),
    "BatchNormalization": (
        "batch normalization is not quantized",
        "fold it into the convolution with quant_pre_process before quantization",
    ),
    **dict.fromkeys(
        ("LeakyRelu", "PRelu", "Elu", "Selu", "Tanh", "HardSigmoid", "HardSwish", "Gelu", "Softplus", "Erf"), ACTIVATION
    ),
    **dict.fromkeys(("QLinearLeakyRelu",), ACTIVATION),
    **dict.fromkeys(("Split", "Slice", "Gather"), ("it takes a part of a map", "split the model there")),
    **dict.fromkeys(("Resize", "Upsample"), ("maps cannot be enlarged", LEAVE_OUT)),
    "DynamicQuantizeLinear": ("dynamic quantization is not supported", QUANTIZE_REMEDY),
    "ConvInteger": ("dynamic quantization is not supported", QUANTIZE_REMEDY),
    "MatMulInteger": ("dynamic quantization is not supported", QUANTIZE_REMEDY),
}
"""Operators without a handler that deserve more words: rule and remedy."""


def import_onnx(path: str | Path) -> Graph:
    """Read a quantized ONNX model into the integer graph.

    Raises UserError for a file that cannot be read, and ModelError with every problem of a model that cannot be built.
    """
    model = load_onnx(path)
    if is_qonnx(model):
        return import_qonnx(model)
    build = GraphBuilder(model)
    if not any(node.operator in QUANTIZED_OPERATORS for node in build.model.nodes):
        rule = "it is not quantized: no QuantizeLinear, no QLinearConv"
        raise ModelError([Problem("", "", "", rule, QUANTIZE_REMEDY)])
    take_input(build)
    walk(build, _handled, shape=lambda name: str(model.type(name)), placeholder=_placeholder)
    give_output(build)
    if build.problems:
        raise ModelError(build.problems)
    recognise_weights(build.result)
    return build.result


def _handled(build: GraphBuilder, node: OnnxNode) -> Value:
    """What the node's handler makes of it; refuses operators that have none."""
    handler = HANDLERS.get((node.domain, node.operator))
    if handler is None:
        raise Refusal(*REFUSED.get(node.operator, ("this operator is not supported", f"replace it or {LEAVE_OUT}")))
    return handler(build, node)


def _placeholder(build: GraphBuilder, node: OnnxNode) -> Value:
    """After a problem: a quantized map of the right shape, so that later problems are found in the same run."""
    if node.operator not in OUTPUT_QUANTIZATION:
        return Unknown()
    shape = build.model.type(node.outputs[0]).static
    if shape is None or shape[:1] != (1,) or not 2 <= len(shape) <= 4 or not 0 < math.prod(shape) <= LARGEST_MAP:
        return Unknown()
    try:
        quantization = build.output_quantization(node)
    except (Refusal, Skipped):
        return Unknown()
    return build.new_map(node.outputs[0], map_shape(shape), map_elements(shape), quantization)
