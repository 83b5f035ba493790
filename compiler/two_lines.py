"""Thresholds that no straight line has, as the sum of two maps that straight lines have.

Halves that are rounded to even, which scales that are powers of two meet all the time, make steps of two lengths in turn.
Every other step is even again: for all real v

    rint(v) = floor(v / 2 + 1 / 4) + ceil(v / 2 - 1 / 4)

A layer with such a channel, or such a sum of two maps, becomes two, one that counts the first, third, ... of the thresholds and
one that counts the others; a residual addition makes the map of theirs. Of a vector the halves stand behind each other
instead, and the layers that read it have each weight twice: that costs fewer cycles than one more layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from .addition_weights import addition_candidates
from .graph import Add, Concat, Convolution, Graph, Node
from .layer_requantization import layer_staircase
from .line_solver import WIDEST_MULTIPLIER, LineSolver
from .number_sets import place_values
from .requantization import ThresholdRequantization
from .requantize import input_ranges

__all__ = ["has_no_line", "split_layers"]


def split_layers(graph: Graph) -> None:
    """Give every layer of thresholds, and every addition, that has no line two in its place, and the addition of both.

    Where the halves have no line either, the layer stays as it is, and the solver refuses it.
    """
    for output in [node.output for node in graph.nodes]:
        node = next(other for other in graph.nodes if other.output == output)
        if not _has_thresholds(node) or not has_no_line(graph, node):
            continue
        whole = graph.tensors[output]
        low, high = _bounds(node)
        kind, zero_point = _place(low - whole.zero_point, high - whole.zero_point)
        parts = [_half(node, whole.zero_point, zero_point, index) for index in (0, 1)]
        if any(has_no_line(graph, part) for part in parts):
            continue
        half = replace(whole, zero_point=zero_point, format=kind, reference="")
        graph.tensors.update((part.output, replace(half, name=part.output)) for part in parts)
        place = graph.nodes.index(node)
        if _is_vector_of_layers(graph, output):
            graph.tensors[output] = replace(half, shape=(1, 1, 2 * whole.shape[2]))
            names = [part.output for part in parts]
            joint: Node = Concat(
                name=node.name, operator=node.operator, input=names[0], output=output, others=(names[1],)
            )
            for index, reader in enumerate(graph.nodes):
                if isinstance(reader, Convolution) and reader.input == output:
                    weights = np.concatenate([reader.weights, reader.weights], axis=-1)
                    graph.nodes[index] = replace(reader, weights=weights)
        else:
            joint = _addition(graph, node, parts)
        graph.nodes[place : place + 1] = [*parts, joint]


def _is_vector_of_layers(graph: Graph, output: str) -> bool:
    """Whether a map has one place and nothing but layers without groups read it."""
    readers = [node for node in graph.nodes if output in node.inputs]
    layers = all(isinstance(node, Convolution) and node.groups == 1 for node in readers)
    return graph.tensors[output].shape[:2] == (1, 1) and output != graph.output and layers


def _has_thresholds(node: Node) -> TypeGuard[Add | Convolution]:
    """Whether a node has thresholds to part; up to two of a layer, or one of an addition, need not be parted."""
    if isinstance(node, Add):
        return node.high - node.low >= 2
    if not isinstance(node, Convolution) or not isinstance(node.requantization, ThresholdRequantization):
        return False
    return node.requantization.high - node.requantization.low >= 3


def has_no_line(graph: Graph, node: Add | Convolution) -> bool:
    """Whether a channel of the layer, or the addition, is no straight line."""
    ranges = input_ranges(graph)
    if isinstance(node, Add):
        return not addition_candidates(node, ranges[node.input], ranges[node.second]).solvable
    stairs = layer_staircase(node, graph.tensors[node.input].zero_point, ranges[node.input])
    bits = LineSolver(stairs).multiplier_bits(np.arange(len(stairs.low)))
    return bool((bits > WIDEST_MULTIPLIER).all(1).any())


def _bounds(node: Add | Convolution) -> tuple[int, int]:
    """The smallest and largest output."""
    rule = node if isinstance(node, Add) else node.requantization
    return rule.low, rule.high


def _place(low: int, high: int) -> tuple[str, int]:
    """Format and zero point in which both halves of the integers low..high (codes minus zero point) are held."""
    ends = [end for index in (0, 1) for end in _half_bounds(low, high, index)]
    return place_values(min(ends), max(ends))


def _half_bounds(low: int, high: int, index: int) -> tuple[int, int]:
    """The integers of one half; those of both add up to low and to high."""
    first = low // 2 if index == 0 else low - low // 2
    return first, first + (high - low + 1 - index) // 2


def _half(node: Add | Convolution, whole_zero: int, zero_point: int, index: int) -> Add | Convolution:
    """Every second threshold of a layer, the first (``index`` 0) or the second one first."""
    low, high = _bounds(node)
    first, last = (zero_point + end for end in _half_bounds(low - whole_zero, high - whole_zero, index))
    output = f"{node.output}/{('odd', 'even')[index]}"
    if isinstance(node, Add):
        reached = (node.table.astype(np.int64) - low + 1 - index) // 2
        return replace(
            node, output=output, table=(reached + first).astype(np.int8), weights=(node.weights[0] / 2, node.weights[1] / 2),
            zero_point=zero_point, low=first, high=last,
        )  # fmt: skip
    rule = node.requantization
    assert isinstance(rule, ThresholdRequantization)
    half = ThresholdRequantization(low=first, high=last, thresholds=rule.thresholds[:, index::2])
    return replace(node, output=output, requantization=half)


def _addition(graph: Graph, node: Add | Convolution, parts: Sequence[Add | Convolution]) -> Add:
    """The map of the layer as the sum of its halves."""
    zero_point = graph.tensors[node.output].zero_point
    integers = [
        np.clip(np.arange(-128, 128), *_bounds(part)) - graph.tensors[part.output].zero_point for part in parts
    ]
    low, high = _bounds(node)
    return Add(
        name=node.name, operator=node.operator, input=parts[0].output, second=parts[1].output, output=node.output,
        table=(np.add.outer(*integers) + zero_point).astype(np.int8), weights=(1.0, 1.0), zero_point=zero_point,
        low=low, high=high,
    )  # fmt: skip
