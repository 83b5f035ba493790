"""Input and output of the network."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from .graph import HostStep
from .onnx_builder import ACTIVATION_TYPES, GraphBuilder, dense, input_elements
from .onnx_model import LARGEST_MAP
from .onnx_numerics import Quantization
from .onnx_values import Hosted, Integers, Reals, Source, Unknown, Value
from .problem import Problem, Refusal

__all__ = ["give_output", "single_output", "take_input"]


def take_input(build: GraphBuilder) -> None:
    """The network's one input, or a problem."""
    model = build.model
    if len(model.inputs) != 1:
        names = ", ".join(model.inputs) or "none"
        rule = f"it has {len(model.inputs)} inputs ({names}), exactly one is supported"
        build.problems.append(Problem("", "", "", rule, "split the model or fold the other inputs into constants"))
        for name in model.inputs:
            build.values[name] = Unknown()
        return
    name = model.inputs[0]
    kind = model.type(name)
    shape = kind.static
    build.values[name] = Unknown()
    if shape is None or 0 in shape:
        rule = f"input {name!r} has the dynamic shape {kind}"
        remedy = "give every extent but the batch a number (onnxruntime.tools.make_dynamic_shape_fixed)"
        build.problems.append(Problem("", "", str(kind), rule, remedy))
        return
    if math.prod(shape) > LARGEST_MAP:
        rule = f"input {name!r} has {math.prod(shape)} elements"
        build.problems.append(Problem("", "", str(kind), rule, f"use maps of at most {LARGEST_MAP} elements"))
        return
    if len(shape) < 2 or shape[0] != 1:
        rule = f"input {name!r} has shape {kind}, but its first extent must be a batch of 1"
        build.problems.append(
            Problem("", "", str(kind), rule, "export the model with batch size 1 or a symbolic batch")
        )
        return
    build.result.input_name, build.result.input_shape = name, shape
    elements = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    build.result.input_float = kind.element == TensorProto.FLOAT
    if kind.element == TensorProto.FLOAT:
        build.values[name] = Source(elements)
    elif kind.element in ACTIVATION_TYPES:
        build.new_input(name, elements, Quantization(math.nan, 0, ACTIVATION_TYPES[kind.element]))
        build.values[name] = Integers(name, input_elements(elements))
    else:
        rule = f"input {name!r} is {kind.element_name}, only float32, uint8 and int8 are supported"
        build.problems.append(Problem("", "", str(kind), rule, "cast the input on the host"))


def single_output(build: GraphBuilder) -> tuple[str, Value] | None:
    """The name of the model's one output and what it stands for, or a problem and None."""
    outputs = build.model.outputs
    if len(outputs) != 1:
        rule = f"it has {len(outputs)} outputs ({', '.join(outputs)}), exactly one is supported"
        build.problems.append(Problem("", "", "", rule, "remove all outputs but one"))
        return None
    value = build.values.get(outputs[0], Unknown())
    if isinstance(value, Unknown):
        if not build.problems:
            build.problems.append(Problem("", "", "", f"output {outputs[0]!r} is not computed", "correct the model"))
        return None
    return outputs[0], value


def give_output(build: GraphBuilder) -> None:
    """The network's one output and the host's steps behind it, or a problem."""
    model = build.model
    known = single_output(build)
    if known is None:
        return
    name, value = known
    steps: tuple[HostStep, ...] = ()
    unbounded = isinstance(value, Reals) and value.minimum == -math.inf and value.maximum == math.inf
    if isinstance(value, Hosted) and value.quantization is not None:
        rule = f"output {name!r} is a quantized result of {value.steps[-2].kind}, which the host computes in float32"
        build.problems.append(Problem("", "", str(model.type(name)), rule, "end the model with DequantizeLinear"))
        return
    if isinstance(value, Hosted):
        steps = value.steps
    elif isinstance(value, Reals) and unbounded:
        steps = (HostStep(kind="dequantize", name=name),)
    elif not isinstance(value, Integers):
        rule = f"output {name!r} is computed in float32 from the sums of the last layer"
        remedy = "quantize the output: QuantizeLinear and DequantizeLinear at the end of the model"
        node = next((node for node in model.nodes if name in node.outputs), None)
        build.problems.append(
            Problem(node.name if node else "", node.operator if node else "", str(model.type(name)), rule, remedy)
        )
        return
    result = build.result
    for key, tensor in result.tensors.items():
        if math.isnan(tensor.scale):
            result.tensors[key] = replace(tensor, scale=1.0)
    result.output, result.output_name = value.tensor, name
    try:
        result.output_order = dense(value.elements).ravel()
    except Refusal as refusal:
        build.problems.append(Problem("", "", str(model.type(name)), refusal.rule, refusal.remedy))
        return
    result.output_shape = model.type(name).static or value.elements.shape
    result.host_steps = list(steps)
