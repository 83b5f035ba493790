"""Operators without arithmetic: shapes, PAD, CONCATENATION, and the constant folding of shape computations."""

from __future__ import annotations

import math

import numpy as np

from .graph import Concat
from .problem import Refusal
from .tflite_builder import Constant, FloatInput, GraphBuilder, Handler, Hosted, Map, Padded, Skipped, Unknown, Value
from .tflite_elementwise import concatenation_part
from .tflite_file import TfliteOperator, TfliteTensor
from .tflite_quantization import Quantization, activation_quantization, same_quantization

__all__ = ["MOVEMENT"]


def _reshape(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the output's shape in the model says it all."""
    value = build.value(operator, 0)
    output = build.output(operator)
    if isinstance(value, Constant):
        _check_elements(operator, value.array.size, output)
        return Constant(value.array.reshape(output.shape))
    if isinstance(value, FloatInput):
        return value
    if isinstance(value, Hosted):
        _check_elements(operator, math.prod(value.shape), output)
        return Hosted(value.map, value.steps, output.shape, value.quantization)
    source = build.quantized(operator, 0)
    _check_elements(operator, math.prod(source.shape), output)
    wanted = build.values.get(operator.input(1))
    if operator.operator == "RESHAPE" and isinstance(wanted, Constant):
        stated = [int(extent) for extent in wanted.array.ravel()]
        if len(stated) != len(output.shape) or any(a not in (-1, b) for a, b in zip(stated, output.shape, strict=True)):
            raise Refusal(f"its shape {stated} is not that of its output, {output.shape_text}", "correct the model")
    build.require_same(operator, source, output)
    return build.viewed(source, output)


def _check_elements(operator: TfliteOperator, elements: int, output: TfliteTensor) -> None:
    if elements != math.prod(output.shape):
        raise Refusal(f"it makes {output.shape_text} of {elements} elements", "correct the model")


def _pad(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """PAD and PADV2 around rows and columns, with the zero point."""
    source = build.quantized(operator, 0)
    output = build.output(operator)
    quantization = build.require_same(operator, source, output)
    amounts = build.values.get(operator.input(1))
    if not isinstance(amounts, Constant) or amounts.array.shape != (len(source.shape), 2) or (amounts.array < 0).any():
        raise Refusal("its amounts are not constant, two for each dimension", "make them a constant tensor")
    if operator.input(2) >= 0:
        filler = build.values.get(operator.input(2))
        if not isinstance(filler, Constant) or filler.array.size != 1:
            raise Refusal("its value is not one constant number", "pad with the zero point")
        number = int(filler.array.ravel()[0]) - (128 if source.unsigned else 0)
        if number != quantization.zero_point:
            raise Refusal(
                f"it pads with {number}, not with the zero point {quantization.zero_point}", "pad with real zeros"
            )
    pads = amounts.array.tolist()
    wanted = tuple(extent + before + after for extent, (before, after) in zip(source.shape, pads, strict=True))
    if output.shape != wanted:
        raise Refusal(
            f"its output should be {'x'.join(map(str, wanted))}, not {output.shape_text}", "correct the model"
        )
    if len(source.shape) not in (3, 4) or any(pads[0]) or any(pads[-1]):
        raise Refusal("it pads other dimensions than rows and columns", "pad rows and columns only")
    (top, bottom), (left, right) = pads[1:3] if len(pads) == 4 else ([0, 0], pads[1])
    return Padded(source, (top, left, bottom, right), output.shape, operator)


def _concatenation(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """Channels of several maps behind each other. int8 parts must have the output's quantization, as the reference wants;
    uint8 parts of another one are requantized, each by a layer."""
    output = build.output(operator)
    target = activation_quantization(output)
    if operator.options.get("FusedActivationFunction", "NONE") != "NONE":
        raise Refusal("it has a fused activation", "put the activation into the layers in front of it")
    axis = int(operator.options.get("Axis", 0))
    axis += len(output.shape) if axis < 0 else 0
    if axis != len(output.shape) - 1 or not axis:
        raise Refusal(
            f"it works along axis {axis} of {output.shape_text}, not along the channels",
            "concatenate along the last axis",
        )
    parts: list[Map] = []
    for index in range(len(operator.inputs)):
        if build.tensor(operator, index).buffer is not None:
            raise Refusal(
                f"its input {build.tensor(operator, index).name!r} is constant", "concatenate computed maps only"
            )
        value = build.quantized(operator, index)
        if value.shape[:-1] != output.shape[:-1]:
            raise Refusal("the rows and columns of its inputs differ", "correct the model")
        parts.append(value)
    if sum(part.shape[-1] for part in parts) != output.shape[-1]:
        raise Refusal("the channels of its inputs are not those of its output", "correct the model")
    if len(parts) == 1:
        build.require_same(operator, parts[0], output)
        return build.viewed(parts[0], output)
    layouts = [build.as_map(part) for part in parts]
    if len({swapped for _, swapped in layouts}) > 1:
        raise Refusal(
            "its inputs lie in memory in different ways", "keep all branches one-dimensional in the same direction"
        )
    names = [_part(build, operator, part, index, target).tensor for index, part in enumerate(parts)]
    (height, width, _), swapped = layouts[0]
    extents = (width, height, output.shape[-1]) if swapped else (height, width, output.shape[-1])
    node = Concat(
        name=operator.name, operator=operator.operator, input=names[0], output=output.name, others=tuple(names[1:])
    )
    build.result.nodes.append(node)
    return build.new_map(output, extents, target)


def _part(build: GraphBuilder, operator: TfliteOperator, part: Map, index: int, target: Quantization) -> Map:
    source = build.quantization_of(part.tensor)
    if same_quantization(source, target):
        return part
    if not target.unsigned:
        raise Refusal(
            f"its input {build.tensor(operator, index).name!r} has {source}, its output {target}",
            "TensorFlow Lite copies int8 parts as they are: give all the same scale and zero point",
        )
    return concatenation_part(build, operator, part, index, target)


def _shape(build: GraphBuilder, operator: TfliteOperator) -> Value:
    tensor = build.tensor(operator, 0)
    if tensor.dynamic:
        raise Refusal(f"it asks for the dynamic shape {tensor.shape_text}", "convert the model with fixed shapes")
    return Constant(np.array(tensor.shape, np.int32))


def _folded(build: GraphBuilder, operator: TfliteOperator, index: int) -> Constant:
    tensor = build.tensor(operator, index)
    value = build.values.get(tensor.index)
    if isinstance(value, Unknown):
        raise Skipped
    if not isinstance(value, Constant):
        raise Refusal(
            f"its input {tensor.name!r} is computed from data",
            "only the computation of shapes is supported, which is folded",
        )
    return value


def _strided_slice(build: GraphBuilder, operator: TfliteOperator) -> Value:
    """A slice of a vector of extents."""
    source = _folded(build, operator, 0).array
    begin, end, step = (_folded(build, operator, index).array.ravel() for index in (1, 2, 3))
    masks = operator.options
    if source.ndim != 1 or not begin.size == end.size == step.size == 1 or step[0] == 0:
        raise Refusal("it does not slice a vector", "only the computation of shapes is supported, which is folded")
    if masks.get("EllipsisMask", 0) or masks.get("NewAxisMask", 0):
        raise Refusal("its ellipsis and new-axis masks are not supported", "slice with begin, end and stride")
    if masks.get("ShrinkAxisMask", 0) & 1:
        if not -len(source) <= begin[0] < len(source):
            raise Refusal("its index lies outside", "correct the model")
        return Constant(np.asarray(source[int(begin[0])]))
    first = None if masks.get("BeginMask", 0) & 1 else int(begin[0])
    last = None if masks.get("EndMask", 0) & 1 else int(end[0])
    return Constant(source[first : last : int(step[0])])


def _pack(build: GraphBuilder, operator: TfliteOperator) -> Value:
    parts = [_folded(build, operator, index).array for index in range(len(operator.inputs))]
    if operator.options.get("Axis", 0) or any(part.size != 1 for part in parts):
        raise Refusal("it does not pack single numbers", "only the computation of shapes is supported, which is folded")
    return Constant(np.array([part.reshape(()) for part in parts]))


MOVEMENT: dict[str, Handler] = {
    "CONCATENATION": _concatenation,
    "EXPAND_DIMS": _reshape,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "RESHAPE": _reshape,
    "SHAPE": _shape,
    "SQUEEZE": _reshape,
    "STRIDED_SLICE": _strided_slice,
}
