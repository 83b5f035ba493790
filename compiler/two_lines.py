"""Thresholds that no straight line has, as the sum of two maps that straight lines have.

Halves that are rounded to even, which scales that are powers of two meet all the time, make steps of two lengths in turn.
Every other step is even again: for all real v

    rint(v) = floor(v / 2 + 1 / 4) + ceil(v / 2 - 1 / 4)

A layer with such a channel, or such a sum of two maps, becomes two, one that counts the first, third, ... of the thresholds and
one that counts the others; a residual addition makes the map of theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

import numpy as np

from .addition_weights import addition_candidates
from .graph import Add, Convolution, Graph, Node
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
    for node in tuple(graph.nodes):
        if not _has_thresholds(node) or not has_no_line(graph, node):
            continue
        parts = [_half(graph, node, index) for index in (0, 1)]
        if any(has_no_line(graph, part) for part, _, _ in parts):
            continue
        place = graph.nodes.index(node)
        graph.nodes[place : place + 1] = [*(part for part, _, _ in parts), _joint(graph, node, parts)]


Half = tuple[Add | Convolution, int, int]
"""A layer of every second threshold, and the smallest and largest integer (code minus zero point) that it gives."""


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


def _half(graph: Graph, node: Add | Convolution, index: int) -> Half:
    """Every second threshold of a layer, the first (``index`` 0) or the second one first. The halves' integers add up to the
    layer's."""
    low, high = _bounds(node)
    base, levels = low - graph.tensors[node.output].zero_point, high - low
    first = base // 2 if index == 0 else base - base // 2
    last = first + (levels + 1 - index) // 2
    _, zero_point = place_values(first, last)
    output = f"{node.output}/{('odd', 'even')[index]}"
    low, high = first + zero_point, last + zero_point
    if isinstance(node, Add):
        reached = (node.table.astype(np.int64) - node.low + 1 - index) // 2
        table = (reached + low).astype(np.int8)
        weights = node.weights[0] / 2, node.weights[1] / 2
        return replace(node, output=output, table=table, weights=weights, zero_point=zero_point, low=low, high=high), first, last
    rule = node.requantization
    assert isinstance(rule, ThresholdRequantization)
    rule = ThresholdRequantization(low=low, high=high, thresholds=rule.thresholds[:, index::2])
    return replace(node, output=output, requantization=rule), first, last


def _bounds(node: Add | Convolution) -> tuple[int, int]:
    """The smallest and largest output."""
    rule = node if isinstance(node, Add) else node.requantization
    return rule.low, rule.high


def _joint(graph: Graph, node: Add | Convolution, parts: list[Half]) -> Add:
    """The sum of both halves, and their maps in the graph."""
    whole = graph.tensors[node.output]
    integers = []
    for part, first, last in parts:
        kind, zero_point = place_values(first, last)
        graph.tensors[part.output] = replace(
            whole, name=part.output, zero_point=zero_point, format=kind, reference=""
        )
        integers.append(np.clip(np.arange(-128, 128) - zero_point, first, last))
    low, high = _bounds(node)
    table = (np.add.outer(*integers) + whole.zero_point).astype(np.int8)
    return Add(
        name=node.name, operator=node.operator, input=parts[0][0].output, second=parts[1][0].output, output=node.output,
        table=table, weights=(1.0, 1.0), zero_point=whole.zero_point, low=low, high=high,
    )  # fmt: skip
