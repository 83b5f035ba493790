"""Requantization of a whole graph: the values that each map can hold, every layer solved and certified."""

from __future__ import annotations

import numpy as np

from ..hw.config import EngineConfig
from .certified_requantization import CertifiedRequantization
from .graph import Convolution, Deviation, Graph, MaxPool
from .layer_requantization import accumulator_width, requantize_layer
from .problem import ModelError, Problem

__all__ = ["deviations", "input_ranges", "requantize", "required_accumulator_width"]


def deviations(graph: Graph, certified: dict[str, CertifiedRequantization]) -> list[Deviation]:
    """Where the engine may differ from the source model: the graph's own deviations and those of inexact channels."""
    result = list(graph.deviations)
    for node in graph.nodes:
        rule = certified.get(node.output)
        if rule is None or rule.exact:
            continue
        channels = np.flatnonzero(rule.difference_count)
        total = int((rule.accumulator_high - rule.accumulator_low + 1)[channels].sum())
        reason = (
            f"float32 ties: {int(rule.difference_count.sum())} of the {total} reachable sums of "
            f"{'channel' if channels.size == 1 else f'{channels.size} channels:'} "
            f"{', '.join(map(str, channels[:8]))}{' ...' if channels.size > 8 else ''} round the other way"
        )
        result.append(Deviation(node=node.name, operator=node.operator, steps=1, reason=reason))
    return result


def input_ranges(graph: Graph) -> dict[str, tuple[int, int]]:
    """The smallest and largest value that each tensor of the graph can hold."""
    ranges = {graph.input: (-128, 127)}
    for node in graph.nodes:
        if isinstance(node, Convolution):
            ranges[node.output] = (node.requantization.low, node.requantization.high)
        elif isinstance(node, MaxPool):
            ranges[node.output] = ranges[node.input]
    return ranges


def required_accumulator_width(graph: Graph) -> int:
    """The accumulator width that an engine needs for every layer of a graph."""
    ranges = input_ranges(graph)
    return max(
        (
            accumulator_width(node, graph.tensors[node.input].zero_point, ranges[node.input])
            for node in graph.nodes
            if isinstance(node, Convolution)
        ),
        default=1,
    )


def requantize(graph: Graph, config: EngineConfig, *, strict: bool = False) -> dict[str, CertifiedRequantization]:
    """Solve and certify the requantization of every convolution of a graph, by the name of its output tensor.

    A channel without an exact solution at any width gets the nearest one, which :func:`deviations` reports; with
    ``strict`` it is a problem. Raises ModelError with a problem for each layer that has channels without a solution at
    this width, or sums that are too wide.
    """
    ranges = input_ranges(graph)
    solved: dict[str, CertifiedRequantization] = {}
    problems: list[Problem] = []
    for node in graph.nodes:
        if not isinstance(node, Convolution):
            continue
        try:
            certified = requantize_layer(node, graph.tensors[node.input].zero_point, ranges[node.input], config, strict)
        except ModelError as error:
            problems += error.problems
            continue
        certified.certify()
        solved[node.output] = certified
    if problems:
        raise ModelError(problems)
    return solved
