"""A QONNX model to the integer graph: Quant and its like around float operators, whatever the number of bits.

The reference is the qonnx package's executor: every operator by itself in float32, ONNX Runtime for the standard ones.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from .graph import Graph, HostStep
from .onnx_builder import GraphBuilder, Handler, dense
from .onnx_constants import LARGEST_CONSTANT
from .onnx_endpoints import single_output, take_input
from .onnx_host_steps import check_classes
from .onnx_model import QONNX, OnnxModel, OnnxNode
from .onnx_movement import MOVEMENT
from .onnx_values import Chained, Constant, Hosted, Prepared, Reals, Source, Summed, Unknown, Value
from .onnx_walk import walk
from .problem import ModelError, Problem, Refusal
from .qonnx_constants import annotated_members, check_annotations
from .qonnx_elementwise import QONNX_ELEMENTWISE
from .qonnx_joins import QONNX_JOINS, inexact_additions
from .qonnx_layers import bytes_of_sums
from .qonnx_linear import QONNX_LINEAR
from .qonnx_quantization import QONNX_QUANTIZATION
from .two_lines import split_layers

__all__ = ["QONNX_HANDLERS", "import_qonnx", "is_qonnx"]

FOLDED = (
    "Shape", "Gather", "Unsqueeze", "Squeeze", "Concat", "Slice", "Cast", "Pow", "Sqrt", "Neg", "Abs", "Reciprocal",
    "ConstantOfShape", "Range", "Expand", "Tile", "Where", "Equal", "ReduceMean", "ReduceSum", "Min", "Max",
)  # fmt: skip
"""Operators that are computed while the model is read, where all their inputs are constants; Shape of anything."""


def is_qonnx(model: OnnxModel) -> bool:
    """Whether a model has operators of QONNX."""
    return any(node.domain == QONNX for node in model.nodes)


def import_qonnx(model: OnnxModel) -> Graph:
    """The integer graph of a QONNX model. Raises ModelError with every problem of a model that cannot be built."""
    build = GraphBuilder(model)
    build.result.qonnx = True
    check_annotations(build)
    _take_input(build)
    walk(build, _handled, shape=partial(_shape, build))
    _give_output(build)
    if build.problems:
        raise ModelError(build.problems)
    split_layers(build.result)
    if problems := inexact_additions(build.result):
        raise ModelError(problems)
    return build.result


def _take_input(build: GraphBuilder) -> None:
    take_input(build)
    for name in build.model.inputs:
        value = build.values[name]
        members = annotated_members(build.model.datatypes.get(name, ""))
        if isinstance(value, Source) and members is not None:
            numbers = np.array(members, np.float32)
            build.values[name] = Prepared(elements=value.elements, shape=value.elements.shape, members=numbers)
        elif not isinstance(value, Source | Unknown):
            kind = build.model.type(name)
            rule = f"input {name!r} is {kind.element_name}, QONNX models take float32"
            build.problems.append(Problem("", "", str(kind), rule, "cast the input on the host"))
            build.values[name] = Unknown()


def _handled(build: GraphBuilder, node: OnnxNode) -> Value:
    """What the node's handler makes of it, or the constant that it is; refuses operators that have no handler."""
    if node.domain == "" and _foldable(build, node):
        return _folded(build, node)
    handler = QONNX_HANDLERS.get((node.domain, node.operator))
    if handler is None:
        raise Refusal("this operator is not supported in QONNX models", "replace it or leave it out")
    return handler(build, node)


def _shape(build: GraphBuilder, name: str) -> str:
    value = build.values.get(name)
    if isinstance(value, Source | Prepared | Chained | Summed | Reals | Hosted):
        return "x".join(map(str, value.elements.shape))
    return str(build.model.type(name))


def _foldable(build: GraphBuilder, node: OnnxNode) -> bool:
    if node.operator == "Shape":
        return True
    values = [build.values.get(name) for name in node.inputs if name]
    return (
        (node.operator in FOLDED or ("", node.operator) in QONNX_ELEMENTWISE or ("", node.operator) in MOVEMENT)
        and bool(values)
        and all(isinstance(value, Constant) for value in values)
    )


def _folded(build: GraphBuilder, node: OnnxNode) -> Value:
    """A constant, by onnx's own interpreter."""
    if node.operator == "Shape":
        value = build.value(node, 0)
        if isinstance(value, Constant):
            extents: tuple[int, ...] = value.array.shape
        elif isinstance(value, Source | Prepared | Chained | Summed | Reals | Hosted):
            extents = value.elements.shape
        else:
            raise Refusal("the shape of its input is not known", "make the shape a constant")
        stop = node.attributes.get("end", len(extents))
        return Constant(np.array(extents[int(node.attributes.get("start", 0)) : stop], np.int64))
    arrays: dict[str, Any] = {name: build.constant(node, i, "its input") for i, name in enumerate(node.inputs) if name}
    if sum(array.size for array in arrays.values()) > LARGEST_CONSTANT:
        raise Refusal("its constants are too large", f"use at most {LARGEST_CONSTANT} numbers")
    proto = onnx.helper.make_node(node.operator, node.inputs, node.outputs, **node.attributes)
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in arrays.items()
    ]
    graph = onnx.helper.make_graph([proto], "fold", inputs, [onnx.ValueInfoProto(name=node.outputs[0])])
    imports = [onnx.helper.make_opsetid("", build.model.opset)]
    model = onnx.helper.make_model(graph, opset_imports=imports)
    try:
        result = ReferenceEvaluator(model).run(None, arrays)[0]
    except Exception as error:  # the interpreter's own errors have no common type
        raise Refusal(f"it cannot be computed ({str(error)[:80]})", "fold the constants of the model") from error
    if result.size > LARGEST_CONSTANT:
        raise Refusal("its constant is too large", f"use at most {LARGEST_CONSTANT} numbers")
    return Constant(np.asarray(result))


def _on_host(build: GraphBuilder, node: OnnxNode) -> Value:
    """Softmax, Sigmoid and ArgMax behind the last layer."""
    value = build.value(node, 0)
    if isinstance(value, Reals):
        steps = (HostStep(kind="dequantize", name=node.input(0)),)
        value = Hosted(value.tensor, value.elements, steps)
    elif isinstance(value, Chained):
        value = bytes_of_sums(build, value, node.input(0))
    if not isinstance(value, Hosted):
        raise Refusal("its input is not the result of a layer", "put it behind the last layer")
    if value.steps[-1].kind == "argmax":
        raise Refusal("it follows ArgMax, which is the last step of the host", "remove it")
    kind = {"Softmax": "softmax", "Sigmoid": "sigmoid", "ArgMax": "argmax"}[node.operator]
    if kind != "sigmoid":
        default = 0 if kind == "argmax" else -1 if build.model.opset >= 13 else 1
        if kind == "argmax" and node.attributes.get("select_last_index", 0):
            raise Refusal("select_last_index=1 is not supported", "use the first index")
        check_classes(build, node, value.elements, int(node.attributes.get("axis", default)))
    return Hosted(value.tensor, value.elements, (*value.steps, HostStep(kind=kind, name=node.name)))


def _give_output(build: GraphBuilder) -> None:
    """The network's one output and the host's steps behind it, or a problem."""
    model, result = build.model, build.result
    known = single_output(build)
    if known is None:
        return
    name, value = known
    try:
        if isinstance(value, Reals):
            value = Hosted(value.tensor, value.elements, (HostStep(kind="dequantize", name=name),))
        elif isinstance(value, Chained):
            value = bytes_of_sums(build, value, name)
        if isinstance(value, Summed):
            raise Refusal(f"output {name!r} is a sum of two maps that nothing quantizes", "put a Quant behind the Add")
        if not isinstance(value, Hosted) or value.tensor == result.input or not result.nodes:
            raise Refusal(f"output {name!r} is not the result of a layer", "end the model with a layer or a quantizer")
        places = dense(value.elements).ravel()
    except Refusal as refusal:
        build.problems.append(Problem("", "", str(model.type(name)), refusal.rule, refusal.remedy))
        return
    result.output, result.output_name = value.tensor, name
    result.output_shape = value.elements.shape
    planes = value.steps[0].planes
    channels = result.tensors[value.tensor].shape[2] // planes
    pixel, channel = places // channels, places % channels
    result.output_order = np.concatenate(
        [pixel * channels * planes + plane * channels + channel for plane in range(planes)]
    )
    if value.steps[-1].kind == "argmax":
        result.output_shape = model.type(name).static or (1, 1)
    result.host_steps = list(value.steps)


QONNX_HANDLERS: dict[tuple[str, str], Handler] = {
    **QONNX_QUANTIZATION,
    **QONNX_LINEAR,
    **QONNX_ELEMENTWISE,
    **QONNX_JOINS,
    **MOVEMENT,
    ("", "Softmax"): _on_host,
    ("", "Sigmoid"): _on_host,
    ("", "ArgMax"): _on_host,
}
"""Handlers by domain and operator."""
