"""A quantized ONNX model to the integer graph: QDQ and QLinear form, every problem of the model reported at once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

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
    # Extreme scales: infinities are refused where they matter, and what is no number ends in _visit.
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="raise"):
        take_input(build)
        for node in build.model.nodes:
            _visit(build, node)
        give_output(build)
    if build.problems:
        raise ModelError(build.problems)
    recognise_weights(build.result)
    return build.result


def _visit(build: GraphBuilder, node: OnnxNode) -> None:
    if node.operator == "Constant" and node.domain == "":
        return
    value: Value = Unknown()
    try:
        handler = HANDLERS.get((node.domain, node.operator))
        if handler is None:
            raise Refusal(*REFUSED.get(node.operator, ("this operator is not supported", f"replace it or {LEAVE_OUT}")))
        value = handler(build, node)
    except Refusal as refusal:
        _report(build, node, refusal)
    except Skipped:
        pass
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Attributes and inputs that no rule of ONNX's checker covers (other domains, empty tensors, wrong types).
        _report(build, node, Refusal(f"its attributes or inputs are malformed ({error})", "correct the model"))
    if isinstance(value, Unknown) and node.operator in OUTPUT_QUANTIZATION:
        value = _placeholder(build, node)
    for output in node.outputs:
        if output:
            build.values[output] = Unknown()
    build.values[node.outputs[0]] = value


def _report(build: GraphBuilder, node: OnnxNode, refusal: Refusal) -> None:
    model = build.model
    data = next((name for name in node.inputs if name and name not in model.constants), node.input(0))
    shapes = f"{model.type(data)} -> {model.type(node.outputs[0])}"
    operator = f"{node.domain}.{node.operator}" if node.domain else node.operator
    build.problems.append(Problem(node.name, operator, shapes, refusal.rule, refusal.remedy))


def _placeholder(build: GraphBuilder, node: OnnxNode) -> Value:
    """After a problem: a quantized map of the right shape, so that later problems are found in the same run."""
    shape = build.model.type(node.outputs[0]).static
    if shape is None or shape[:1] != (1,) or not 2 <= len(shape) <= 4 or not 0 < math.prod(shape) <= LARGEST_MAP:
        return Unknown()
    try:
        quantization = build.output_quantization(node)
    except (Refusal, Skipped):
        return Unknown()
    return build.new_map(node.outputs[0], map_shape(shape), map_elements(shape), quantization)
