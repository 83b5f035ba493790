"""Add and Concat of maps in a QONNX model.

A sum of two maps, with the operators and the quantizer behind it, is one function of two integers. Its table is computed
with the model's own float32 operators, and the residual addition of the array must equal it on every pair: there is no
nearest line, as there is none for thresholds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..hw.formats import FORMATS
from .addition_weights import addition_candidates
from .float_steps import apply_step
from .graph import Add, Concat, Graph, HostStep
from .onnx_builder import GraphBuilder, Handler
from .onnx_joins import joined_maps, paired_maps
from .onnx_model import OnnxNode
from .onnx_numerics import Quantization
from .onnx_values import Chained, Reals, Summed, Value
from .problem import Problem, Refusal
from .qonnx_chain import held_bounds, unchanged_map
from .qonnx_quantizers import Quantizer, held_range
from .requantize import input_ranges

__all__ = ["QONNX_JOINS", "followed_sum", "inexact_additions", "quantized_sum", "sum_of_maps"]


def sum_of_maps(build: GraphBuilder, node: OnnxNode) -> Summed:
    """Add of two quantized maps."""
    for index in (0, 1):
        _quantized_operand(build, node, index, "adds")
    first, second, elements = paired_maps(build, node, (0, 1))
    return Summed(name=node.name, operator=node.operator, first=first, second=second, elements=elements)


def _quantized_operand(build: GraphBuilder, node: OnnxNode, index: int, verb: str) -> None:
    """Let an input of the node be a map; refuses what is none."""
    value = build.value(node, index)
    if isinstance(value, Chained) and value.copy and (reals := unchanged_map(build, value)) is not None:
        build.values[node.inputs[index]] = value = reals
    if not isinstance(value, Reals):
        raise Refusal(
            f"it {verb} maps, of which input {index} is not quantized", "put a Quant or BipolarQuant in front of each input"
        )


def followed_sum(summed: Summed, step: HostStep) -> Summed:
    """One operator more behind a sum of maps. Refuses constants that are not one number."""
    operand, count = step.operand, 2 if step.kind == "batch_normalization" else 1
    rows = operand.reshape(count, -1)
    if not (rows == rows[:, :1]).all():
        raise Refusal(
            "its constant has a number for each channel and it follows a sum of two maps",
            "put it in front of the sum, on both sides, with a Quant behind it",
        )
    if not np.isfinite(rows).all():
        raise Refusal("its constant is not finite", "correct the model")
    number = rows[:, 0] if count > 1 else rows[0, 0].reshape(())
    return replace(summed, steps=(*summed.steps, replace(step, operand=number)))


def quantized_sum(build: GraphBuilder, summed: Summed, quantizer: Quantizer, output: str) -> Reals:
    """Close a sum: an Add of the graph, whose table holds the operators behind the sum and the quantizer."""
    first, second = (_held_reals(build, name) for name in (summed.first, summed.second))
    values = first[:, None] + second[None, :]
    with np.errstate(all="ignore"):
        for step in summed.steps:
            values = apply_step(step, values)
    if np.isnan(values).any():
        raise Refusal("the operators behind it give what is no number", "correct the model's constants")
    kind, zero_point = quantizer.format
    low, high = held_range(quantizer)
    table = quantizer.codes(values) + (low - quantizer.low)
    if kind == "binary":  # values, not codes, which only the requantization of a layer gives
        kind, table, low, high = "ternary", 2 * table - 1, -1, 1
    if (np.diff(table, axis=0) < 0).any() or (np.diff(table, axis=1) < 0).any():
        raise Refusal("an operator behind a sum of two maps turns its sign", "use positive factors behind the sum")
    scales = [float(build.tensor_scale(name)) / quantizer.scale for name in (summed.first, summed.second)]
    node = Add(
        name=summed.name,
        operator=summed.operator,
        input=summed.first,
        second=summed.second,
        output=output,
        table=table.astype(np.int8),
        weights=(scales[0], scales[1]),
        zero_point=zero_point,
        low=low,
        high=high,
    )
    build.result.nodes.append(node)
    shape = build.result.tensors[summed.first].shape
    build.add_tensor(output, shape, summed.elements.shape, Quantization(quantizer.scale, zero_point, False))
    build.result.tensors[output] = replace(build.result.tensors[output], format=kind)
    return Reals(output, summed.elements)


def _held_reals(build: GraphBuilder, tensor: str) -> NDArray[np.float32]:
    """The real numbers of a map's integers -128..127, those outside of what it can hold as the nearest that it can."""
    low, high = held_bounds(build, tensor)
    integers = np.clip(np.arange(-128, 128), low, high) - build.result.tensors[tensor].zero_point
    return integers.astype(np.float32) * build.tensor_scale(tensor)


def inexact_additions(graph: Graph) -> list[Problem]:
    """A problem for each addition that no engine computes exactly, neither as one nor in two parts (two_lines.py)."""
    ranges = input_ranges(graph)
    problems = {}
    for node in graph.nodes:
        if isinstance(node, Add) and not addition_candidates(node, ranges[node.input], ranges[node.second]).solvable:
            scales = (graph.tensors[name].scale for name in (*node.inputs, node.output))
            problems[node.name] = Problem(
                node.name,
                node.operator,
                "scales {:g} + {:g} -> {:g}".format(*scales),
                "no line through the sums of the two maps rounds them as the quantizer behind them does",
                "give both inputs one scale, or round with FLOOR",
            )
    return list(problems.values())


def _concat(build: GraphBuilder, node: OnnxNode) -> Value:
    for index in range(len(node.inputs)):
        _quantized_operand(build, node, index, "joins")
    parts, shape, elements = joined_maps(build, node, range(len(node.inputs)))
    tensors = [build.result.tensors[part] for part in parts]
    stated = [(tensor.scale, tensor.zero_point) for tensor in tensors]
    if len(set(stated)) > 1:
        other = next(index for index, item in enumerate(stated) if item != stated[0])
        raise Refusal(
            f"it joins maps of different quantizations: input 0 has scale {stated[0][0]:g} and is held with zero point "
            f"{stated[0][1]}, input {other} {stated[other][0]:g} and {stated[other][1]}",
            "quantize all inputs with one scale, sign and number of bits",
        )
    output = node.outputs[0]
    build.result.nodes.append(
        Concat(name=node.name, operator=node.operator, input=parts[0], others=tuple(parts[1:]), output=output)
    )
    build.add_tensor(output, shape, elements.shape, Quantization(*stated[0], False))
    widest = max((tensor.format for tensor in tensors), key=lambda name: FORMATS[name].width)
    build.result.tensors[output] = replace(build.result.tensors[output], format=widest)
    return Reals(output, elements)


QONNX_JOINS: dict[tuple[str, str], Handler] = {("", "Concat"): _concat}
"""Handlers by domain and operator. Add is among the elementwise operators, which also take constants."""
