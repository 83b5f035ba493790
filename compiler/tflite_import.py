"""A quantized TensorFlow Lite model to the integer graph, every problem of the model reported at once.

The target is the arithmetic of TensorFlow Lite Micro's reference kernels (docs/numerics.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .fixed_point import ROUNDINGS
from .graph import Graph
from .problem import ModelError, Problem, Refusal
from .tflite_builder import Constant, FloatInput, GraphBuilder, Handler, Hosted, Map, Padded, Skipped, Unknown, Value
from .tflite_elementwise import ELEMENTWISE
from .tflite_file import TfliteModel, TfliteOperator, TfliteTensor, load_tflite
from .tflite_host_steps import HOST_STEPS
from .tflite_linear import LINEAR
from .tflite_movement import MOVEMENT
from .tflite_pools import POOLS
from .tflite_quantization import QUANTIZE_REMEDY, activation_quantization, constant
from .weight_sets import recognise_weights

__all__ = ["import_tflite"]

HANDLERS: dict[str, Handler] = {**LINEAR, **POOLS, **ELEMENTWISE, **MOVEMENT, **HOST_STEPS}
STATEFUL = {"ASSIGN_VARIABLE", "CALL_ONCE", "READ_VARIABLE", "VAR_HANDLE"}
LEAVE_OUT = "leave it out of the accelerated part of the model"


def import_tflite(path: str | Path, rounding: str = "tflm") -> Graph:
    """Read a quantized TensorFlow Lite model into the integer graph.

    ``rounding`` is that of the fixed-point multiplication, one of ROUNDINGS (fixed_point.py). Raises UserError for a file
    that cannot be read, and ModelError with every problem of a model that cannot be built.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding is one of {ROUNDINGS}, not {rounding!r}")
    model = load_tflite(path)
    build = GraphBuilder(model, rounding)
    _check_whole(build)
    _take_constants(build)
    _take_input(build)
    unquantized = _unquantized(model)
    # Extreme scales: infinities are refused where they matter, and what is no number ends in _visit.
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="raise"):
        for operator in model.operators:
            _visit(build, operator, skip=operator.index in unquantized)
    _give_output(build)
    if build.problems:
        raise ModelError(build.problems)
    recognise_weights(build.result)
    return build.result


# The model as a whole


def _check_whole(build: GraphBuilder) -> None:
    model = build.model
    if model.subgraphs != 1:
        rule = f"it has {model.subgraphs} subgraphs, exactly one is supported"
        build.problems.append(Problem("", "", "", rule, "convert a model without control flow or variables"))
    keeping = [operator for operator in model.operators if operator.operator in STATEFUL]
    if keeping:
        listed = "; ".join(f"{operator.operator} {_tensors(model, operator)}" for operator in keeping)
        rule = f"it keeps state from one run to the next: {listed}"
        build.problems.append(
            Problem(
                "", "", "", rule, "make the state inputs and outputs, or convert the model that sees the whole window"
            )
        )
    for name, indices in _unquantized_kinds(model).items():
        first = model.operators[indices[0]]
        others = f", and {len(indices) - 1} more operators likewise" if len(indices) > 1 else ""
        rule = f"{name}{others}"
        build.problems.append(Problem(first.name, first.operator, _shapes(model, first), rule, QUANTIZE_REMEDY))


def _tensors(model: TfliteModel, operator: TfliteOperator) -> str:
    """The place of an operator and its tensors, for a message."""

    def names(numbers: Iterable[int]) -> str:
        return ", ".join(repr(model.tensors[number].name) for number in numbers if number >= 0) or "nothing"

    return f"(operator {operator.index}: {names(operator.inputs)} -> {names(operator.outputs)})"


def _unquantized_kinds(model: TfliteModel) -> dict[str, list[int]]:
    """Layers that are not quantized to 8 bits, by what they are instead."""
    kinds: dict[str, list[int]] = {}
    for operator in model.operators:
        if operator.operator not in (*LINEAR, *POOLS, *ELEMENTWISE) or operator.input(0) < 0:
            continue
        activations = model.tensors[operator.input(0)].kind
        weights = (
            model.tensors[operator.input(1)].kind if operator.operator in LINEAR and operator.input(1) >= 0 else ""
        )
        if activations in ("float32", "float16", "bfloat16"):
            name = f"its activations are {activations}: the model is not quantized"
            if weights in ("int8", "uint8", "int4"):
                name = f"its activations are {activations} and its weights {weights} (dynamic-range quantization)"
        elif activations == "int16":
            name = "its activations are int16, only 8 bits are supported"
        else:
            continue
        kinds.setdefault(name, []).append(operator.index)
    return kinds


def _unquantized(model: TfliteModel) -> set[int]:
    """Operators that were reported with the whole model."""
    found = {operator.index for operator in model.operators if operator.operator in STATEFUL}
    return found.union(*_unquantized_kinds(model).values())


def _take_constants(build: GraphBuilder) -> None:
    """Constants by number; a layer that reads one that is damaged says so itself."""
    for tensor in build.model.tensors:
        if tensor.buffer is None:
            continue
        try:
            build.values[tensor.index] = Constant(constant(tensor, "a constant"))
        except Refusal:
            build.values[tensor.index] = Constant(np.zeros(0))


def _single(build: GraphBuilder, numbers: Sequence[int], what: str, remedy: str) -> TfliteTensor | None:
    """The model's one input or output, or a problem and None."""
    tensors = build.model.tensors
    if len(numbers) != 1:
        names = ", ".join(repr(tensors[number].name) for number in numbers) or "none"
        rule = f"it has {len(numbers)} {what} ({names}), exactly one is supported"
        build.problems.append(Problem("", "", "", rule, remedy))
        return None
    return tensors[numbers[0]]


def _take_input(build: GraphBuilder) -> None:
    model, result = build.model, build.result
    for number in model.inputs:
        build.values[number] = Unknown()
    tensor = _single(build, model.inputs, "inputs", "split the model or make the other inputs constants")
    if tensor is None:
        return
    rule, remedy = _input_fault(tensor)
    if rule:
        build.problems.append(Problem("", "", tensor.shape_text, rule, remedy))
        return
    result.input_name, result.input_shape = tensor.name, tensor.shape
    result.input_float = result.input_ties_away = tensor.kind == "float32"
    if result.input_float:
        build.values[tensor.index] = FloatInput()
        return
    try:
        build.values[tensor.index] = build.new_input(tensor, activation_quantization(tensor))
    except Refusal as refusal:
        build.problems.append(Problem("", "", tensor.shape_text, refusal.rule, refusal.remedy))


def _input_fault(tensor: TfliteTensor) -> tuple[str, str]:
    if tensor.buffer is not None or tensor.variable:
        return f"input {tensor.name!r} is constant or a variable", "convert the model again"
    if tensor.kind not in ("float32", "int8", "uint8"):
        return f"input {tensor.name!r} is {tensor.kind}, only float32, int8 and uint8 are supported", QUANTIZE_REMEDY
    if tensor.dynamic:
        rule = f"input {tensor.name!r} has the dynamic shape {tensor.shape_text}"
        return rule, "give every extent but the batch a number when converting"
    if len(tensor.shape) < 2 or tensor.shape[0] != 1:
        rule = f"input {tensor.name!r} has shape {tensor.shape_text}, but its first extent must be a batch of 1"
        return rule, "convert the model with a batch of 1"
    return "", ""


# Operators


def _visit(build: GraphBuilder, operator: TfliteOperator, skip: bool) -> None:
    value: Value = Unknown()
    try:
        if skip:
            raise Skipped
        handler = HANDLERS.get(operator.operator)
        if handler is None:
            rule = f"this operator is not supported {_tensors(build.model, operator)}"
            raise Refusal(rule, f"replace it or {LEAVE_OUT}")
        if any(build.model.tensors[number].variable for number in operator.inputs if number >= 0):
            raise Refusal("it reads a variable, which keeps its value from one run to the next", "make it an input")
        if any(number in build.values for number in operator.outputs):
            raise Refusal(
                "its output is constant, the model's input, or made by another operator too", "correct the model"
            )
        value = handler(build, operator)
    except Refusal as refusal:
        shapes = _shapes(build.model, operator)
        build.problems.append(Problem(operator.name, operator.operator, shapes, refusal.rule, refusal.remedy))
    except Skipped:
        pass
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # A damaged file may pair any operator with any tensors.
        shapes = _shapes(build.model, operator)
        rule = f"its options or inputs are malformed ({error})"
        build.problems.append(Problem(operator.name, operator.operator, shapes, rule, "correct the model"))
    for number in operator.outputs:
        build.values[number] = value if number == operator.outputs[0] else Unknown()


def _shapes(model: TfliteModel, operator: TfliteOperator) -> str:
    """Shapes for a message: the first input, the output."""
    source = model.tensors[operator.input(0)].shape_text if operator.input(0) >= 0 else ""
    output = model.tensors[operator.outputs[0]].shape_text if operator.outputs else ""
    return " -> ".join(part for part in (source, output) if part)


# The model's output


def _give_output(build: GraphBuilder) -> None:
    model, result = build.model, build.result
    tensor = _single(build, model.outputs, "outputs", "remove all outputs but one")
    if tensor is None:
        return
    value = build.values.get(tensor.index)
    if isinstance(value, Hosted):
        source, result.host_steps = value.map, list(value.steps)
    elif isinstance(value, Map):
        source = value
        known = result.tensors[source.tensor]
        result.tensors[source.tensor] = replace(known, unsigned=source.unsigned)
    else:
        if isinstance(value, Padded):
            rule, remedy = f"output {tensor.name!r} is a PAD", "remove it"
            build.problems.append(Problem(value.operator.name, value.operator.operator, "", rule, remedy))
        elif not build.problems:
            build.problems.append(Problem("", "", "", f"output {tensor.name!r} is not computed", "correct the model"))
        return
    if not result.nodes:
        build.problems.append(Problem("", "", "", "it has no layer for the engine", "give a network with layers"))
        return
    result.output, result.output_name, result.output_shape = source.tensor, tensor.name, tensor.shape
    elements = int(np.prod(result.tensors[source.tensor].shape))
    result.output_order = np.arange(elements, dtype=np.int64)
