"""Operators that join maps: addition and concatenation, in QDQ and in QLinear form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .graph import Add, Concat, Tensor
from .onnx_builder import GraphBuilder, Handler, dense, map_elements
from .onnx_layers import elementwise_layer
from .onnx_model import LARGEST_MAP, OnnxNode
from .onnx_numerics import (
    Quantization,
    addition_table,
    clip_bounds,
    clip_is_absorbed,
    dequantized,
    quantized,
    unfused_addition_table,
)
from .onnx_quantization import dequantized_map
from .onnx_values import Integers, Reals, Unquantized, Value
from .problem import Refusal

__all__ = ["JOINS", "joined_maps", "paired_maps", "sum_of_maps"]


def sum_of_maps(build: GraphBuilder, node: OnnxNode) -> Unquantized:
    """Add of two dequantized maps."""
    first, second = (dequantized_map(build, node, index)[0] for index in (0, 1))
    same = build.model.uses[node.outputs[0]] == 1 and first.direct and second.direct
    kernels = {first.signed, second.signed}
    return _sum(build, node, (0, 1), kernels if same else set())


def _qlinear_add(build: GraphBuilder, node: OnnxNode) -> Value:
    first, second = build.integers(node, 0, 1, 2), build.integers(node, 3, 4, 5)
    quantization = build.output_quantization(node)
    types = {build.result.tensors[value.tensor].unsigned for value in (first, second)} | {quantization.unsigned}
    if len(types) != 1:
        raise Refusal("it mixes uint8 and int8", "use one type for both inputs and the output")
    signed = not quantization.unsigned
    total = _sum(build, node, (0, 3), {signed})
    return total.finish(total, node.outputs[0], quantization, signed)


def paired_maps(build: GraphBuilder, node: OnnxNode, inputs: tuple[int, int]) -> tuple[str, str, NDArray[np.int64]]:
    """The two maps that an addition reads, of one shape and layout, and the elements of each. Refuses others."""
    for index in inputs:
        value = build.value(node, index)
        assert isinstance(value, Integers | Reals)
        if dense(value.elements).ndim in (3, 4):
            build.as_map(value.tensor, value.elements)
    first, second = (build.value(node, index) for index in inputs)
    assert isinstance(first, Integers | Reals) and isinstance(second, Integers | Reals)
    shapes = [build.result.tensors[value.tensor].shape for value in (first, second)]
    if shapes[0] != shapes[1] or not np.array_equal(first.elements, second.elements):
        stated = " and ".join("x".join(map(str, value.elements.shape)) for value in (first, second))
        raise Refusal(
            f"it adds maps of different shapes or layouts, {stated}", "add maps of one shape, without broadcasting"
        )
    build.claimed |= {first.tensor, second.tensor}
    return first.tensor, second.tensor, first.elements


def _sum(build: GraphBuilder, node: OnnxNode, inputs: tuple[int, int], kernels: set[bool]) -> Unquantized:
    """The sum of two maps; ``kernels`` holds their ``signed`` where ONNX Runtime can fuse the node, else nothing."""
    first, second, elements = paired_maps(build, node, inputs)

    def finish(value: Unquantized, output: str, y: Quantization, signed: bool) -> Integers:
        a, b = build.quantization_of(first), build.quantization_of(second)
        absorbed = clip_is_absorbed(value.minimum, value.maximum, y.scale, y.zero_point)
        if value.direct and absorbed and kernels == {signed}:
            table = addition_table(a, b, y, not signed)
        else:
            table = unfused_addition_table(a, b, y, value.minimum, value.maximum)
        low, high = clip_bounds(value.minimum, value.maximum, y.scale, y.zero_point)
        build.result.nodes.append(
            Add(
                name=node.name,
                operator=node.operator,
                input=first,
                second=second,
                output=output,
                table=table,
                weights=(a.scale / y.scale, b.scale / y.scale),
                zero_point=y.zero_point,
                low=low,
                high=high,
            )
        )
        return build.new_map(output, build.result.tensors[first].shape, value.elements, y)

    return Unquantized(elements=elements, finish=finish)


def _concat(build: GraphBuilder, node: OnnxNode) -> Value:
    for index in range(len(node.inputs)):
        dequantized_map(build, node, index)
    return _concatenation(build, node, range(len(node.inputs)))


def _qlinear_concat(build: GraphBuilder, node: OnnxNode) -> Value:
    places = range(2, len(node.inputs), 3)
    for index in places:
        build.integers(node, index, index + 1, index + 2)
    quantization = build.output_quantization(node)
    whole = _concatenation(build, node, places)
    return whole.finish(whole, node.outputs[0], quantization, not quantization.unsigned)


def joined_maps(
    build: GraphBuilder, node: OnnxNode, places: range
) -> tuple[list[str], tuple[int, int, int], NDArray[np.int64]]:
    """The maps that a concatenation reads, and shape and elements of the whole. Refuses other axes than the channels."""
    parts = []
    for index in places:
        value = build.value(node, index)
        assert isinstance(value, Integers | Reals)
        axis = int(node.attributes["axis"]) % max(value.elements.ndim, 1)
        if axis != 1:
            raise Refusal(f"it joins along axis {axis}, not along the channels (axis 1)", "concatenate channels")
        if dense(value.elements).ndim in (3, 4):
            build.as_map(value.tensor, value.elements)
        elif build.result.tensors[value.tensor].shape[:2] != (1, 1) or np.any(np.diff(value.elements.ravel()) != 1):
            raise Refusal("it joins vectors that are flattened maps", "concatenate the maps in front of Flatten")
        build.claimed.add(value.tensor)
        parts.append(value.tensor)
    value = build.value(node, places[0])
    assert isinstance(value, Integers | Reals)
    height, width, _ = build.result.tensors[parts[0]].shape
    channels = sum(build.result.tensors[part].shape[2] for part in parts)
    if height * width * channels > LARGEST_MAP:
        raise Refusal(
            f"its output has {height * width * channels} elements", f"use maps of at most {LARGEST_MAP} elements"
        )
    elements = map_elements((value.elements.shape[0], channels, *value.elements.shape[2:]))
    return parts, (height, width, channels), elements


def _concatenation(build: GraphBuilder, node: OnnxNode, places: range) -> Unquantized:
    parts, whole, elements = joined_maps(build, node, places)

    def finish(value: Unquantized, output: str, y: Quantization, signed: bool) -> Integers:
        low, high = clip_bounds(value.minimum, value.maximum, y.scale, y.zero_point)
        names: list[str] = []
        for index, part in enumerate(parts):
            x, shape = build.quantization_of(part), build.result.tensors[part].shape
            if x == y and (low, high) == (-128, 127):
                names.append(part)
                continue
            if shape[2] * 512 > LARGEST_MAP:
                raise Refusal(f"a part of {shape[2]} channels is requantized", "use the output's quantization for it")
            steps = quantized(dequantized(np.arange(-128, 128), x), y)
            names.append(f"{output}/{index}")
            elementwise_layer(
                build, f"{node.name}/{index}", node.operator, part, names[-1],
                np.broadcast_to(steps, (shape[2], 256)), np.full(shape[2], x.scale / y.scale), y, (low, high),
            )  # fmt: skip
            build.result.tensors[names[-1]] = Tensor(
                name=names[-1], shape=shape, scale=y.scale, zero_point=y.zero_point, unsigned=y.unsigned
            )
        build.result.nodes.append(
            Concat(name=node.name, operator=node.operator, input=names[0], others=tuple(names[1:]), output=output)
        )
        return build.new_map(output, whole, value.elements, y)

    return Unquantized(elements=elements, finish=finish)


JOINS: dict[tuple[str, str], Handler] = {
    ("", "Concat"): _concat,
    ("com.microsoft", "QLinearAdd"): _qlinear_add,
    ("com.microsoft", "QLinearConcat"): _qlinear_concat,
}
"""Handlers by domain and operator."""
