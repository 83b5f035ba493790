"""Thresholds that no straight line has, as the sum of two maps that straight lines have.

Halves that are rounded to even, which scales that are powers of two meet all the time, make steps of two lengths in turn.
Every other step is even again: for all real v

    rint(v) = floor(v / 2 + 1 / 4) + ceil(v / 2 - 1 / 4)

A layer with such a channel becomes two, one that counts the first, third, ... of the thresholds and one that counts the others;
their maps stand behind each other, and whatever reads them has each weight twice. A max pool between them is no obstacle: both
parts never fall as v rises, so their maxima are those of the largest v.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .graph import Concat, Convolution, Graph, MaxPool
from .layer_requantization import layer_staircase
from .line_solver import WIDEST_MULTIPLIER, LineSolver
from .number_sets import place_values
from .requantization import ThresholdRequantization
from .requantize import input_ranges

__all__ = ["has_no_line", "split_layers"]


def split_layers(graph: Graph) -> None:
    """Give every layer of thresholds without a line two maps in the place of one, where its readers allow it.

    They do not if the map leaves the network, or if one of them is neither a max pool nor a convolution without groups; the
    solver then refuses the layer.
    """
    for node in tuple(graph.nodes):
        if not isinstance(node, Convolution) or not isinstance(node.requantization, ThresholdRequantization):
            continue
        current = next(other for other in graph.nodes if other.output == node.output)
        assert isinstance(current, Convolution)
        if node.requantization.high - node.requantization.low < 3 or not has_no_line(graph, current):
            continue
        maps = _readable(graph, node.output)
        if maps is None:
            continue
        place = graph.nodes.index(current)
        graph.nodes[place : place + 1] = _parts(graph, current, maps)
        for index, reader in enumerate(graph.nodes):
            if isinstance(reader, Convolution) and reader.input in maps:
                graph.nodes[index] = replace(reader, weights=np.concatenate([reader.weights, reader.weights], axis=-1))


def has_no_line(graph: Graph, node: Convolution) -> bool:
    """Whether a channel of the layer is no straight line."""
    stairs = layer_staircase(node, graph.tensors[node.input].zero_point, input_ranges(graph)[node.input])
    bits = LineSolver(stairs).multiplier_bits(np.arange(len(stairs.low)))
    return bool((bits > WIDEST_MULTIPLIER).all(1).any())


def _readable(graph: Graph, output: str) -> set[str] | None:
    """A map and those that max pools make of it, if nothing but convolutions without groups reads them."""
    maps = {output}
    for node in graph.nodes:
        if maps.isdisjoint(node.inputs):
            continue
        if isinstance(node, MaxPool):
            maps.add(node.output)
        elif not isinstance(node, Convolution) or node.groups != 1:
            return None
    return None if graph.output in maps else maps


def _parts(graph: Graph, node: Convolution, maps: set[str]) -> list[Convolution | Concat]:
    rule = node.requantization
    assert isinstance(rule, ThresholdRequantization)
    base = rule.low - graph.tensors[node.output].zero_point
    thresholds = rule.thresholds[:, 0::2], rule.thresholds[:, 1::2]
    lows = base // 2, base - base // 2
    highs = [low + part.shape[1] for low, part in zip(lows, thresholds, strict=True)]
    kind, zero_point = place_values(min(lows), max(highs))
    names = [f"{node.output}/{which}" for which in ("odd", "even")]
    whole = graph.tensors[node.output]
    parts: list[Convolution | Concat] = []
    for name, low, high, part in zip(names, lows, highs, thresholds, strict=True):
        graph.tensors[name] = replace(whole, name=name, zero_point=zero_point, format=kind, reference="")
        half = ThresholdRequantization(low=low + zero_point, high=high + zero_point, thresholds=part)
        parts.append(replace(node, output=name, requantization=half))
    for name in maps:
        tensor = graph.tensors[name]
        shape = (*tensor.shape[:2], 2 * tensor.shape[2])
        graph.tensors[name] = replace(tensor, shape=shape, zero_point=zero_point, format=kind, reference="")
    joint = Concat(name=node.name, operator=node.operator, input=names[0], output=node.output, others=(names[1],))
    return [*parts, joint]
