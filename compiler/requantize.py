"""Requantization of a whole graph: the values that each map can hold, every layer solved and certified."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..hw.config import EngineConfig
from ..hw.formats import FORMATS
from .addition_weights import addition_candidates
from .certified_addition import CertifiedAddition
from .certified_requantization import CertifiedRequantization
from .graph import COPY, Add, Concat, Convolution, Deviation, Graph, MaxPool
from .layer_requantization import accumulator_width, requantize_layer
from .problem import ModelError, Problem
from .residual_add import requantize_addition

__all__ = ["Certified", "deviations", "input_ranges", "requantize", "required_accumulator_width"]

Certified = CertifiedRequantization | CertifiedAddition
"""The solved and proved parameters of a node that the engine requantizes."""


def deviations(graph: Graph, certified: Mapping[str, Certified]) -> list[Deviation]:
    """Where the engine may differ from the source model: the graph's own deviations and those of inexact layers."""
    result = list(graph.deviations)
    for node in graph.nodes:
        rule = certified.get(node.output)
        if rule is None or rule.exact:
            continue
        if isinstance(rule, CertifiedAddition):
            steps = rule.largest_difference
            reason = f"ties: {rule.difference_count} of the {rule.pair_count} pairs of inputs round the other way"
        else:
            steps = 1
            channels = np.flatnonzero(rule.difference_count)
            total = int((rule.accumulator_high - rule.accumulator_low + 1)[channels].sum())
            reason = (
                f"float32 ties: {int(rule.difference_count.sum())} of the {total} reachable sums of "
                f"{'channel' if channels.size == 1 else f'{channels.size} channels:'} "
                f"{', '.join(map(str, channels[:8]))}{' ...' if channels.size > 8 else ''} round the other way"
            )
        result.append(Deviation(node=node.name, operator=node.operator, steps=steps, reason=reason))
    return result


def input_ranges(graph: Graph) -> dict[str, tuple[int, int]]:
    """The smallest and largest value that each tensor of the graph can hold."""
    given = graph.tensors[graph.input]
    low, high = graph.input_range or (FORMATS[given.format].low, FORMATS[given.format].high)
    ranges = {graph.input: (min(low, given.zero_point), max(high, given.zero_point))}  # folding fills up with zero points
    for node in graph.nodes:
        if node.operator == COPY:
            ranges[node.output] = ranges[node.input]
        elif isinstance(node, Convolution):
            rule = node.requantization
            binary = graph.tensors[node.output].format == "binary"  # codes, not values
            ranges[node.output] = (-1, 1) if binary else (rule.low, rule.high)
        elif isinstance(node, MaxPool):
            ranges[node.output] = ranges[node.input]
        elif isinstance(node, Add):
            ends = zip(ranges[node.input], ranges[node.second], strict=True)
            low, high = (int(node.table[a + 128, b + 128]) for a, b in ends)
            ranges[node.output] = (low, high)
        elif isinstance(node, Concat):
            parts = [ranges[name] for name in node.inputs]
            ranges[node.output] = (min(low for low, _ in parts), max(high for _, high in parts))
    return ranges


def required_accumulator_width(graph: Graph) -> int:
    """The accumulator width that an engine needs for every layer of a graph."""
    ranges = input_ranges(graph)
    widths = [1]
    products = {node.product for node in graph.nodes if isinstance(node, Convolution)}
    paired = products & {"binaryxbinary", "int8xbinary"} if "binaryxbinary" in products else set()
    for node in graph.nodes:
        if isinstance(node, Convolution):
            zero_point = graph.tensors[node.input].zero_point
            widths.append(accumulator_width(node, zero_point, ranges[node.input], paired=node.product in paired))
        elif isinstance(node, Add):
            widths.append(addition_candidates(node, ranges[node.input], ranges[node.second]).accumulator_width)
    return max(widths)


def requantize(graph: Graph, config: EngineConfig, *, strict: bool = False) -> dict[str, Certified]:
    """Solve and certify the requantization of every convolution and addition of a graph, by the name of its output tensor.

    What has no exact solution at any width gets the nearest one, which :func:`deviations` reports; with ``strict`` it is
    a problem. Raises ModelError with a problem for each layer that has channels without a solution at this width, or sums
    that are too wide.
    """
    ranges = input_ranges(graph)
    solved: dict[str, Certified] = {}
    problems: list[Problem] = []
    for node in graph.nodes:
        certified: Certified
        try:
            if isinstance(node, Convolution):
                zero_point = graph.tensors[node.input].zero_point
                certified = requantize_layer(node, zero_point, ranges[node.input], config, strict)
            elif isinstance(node, Add):
                channels = graph.tensors[node.output].shape[2]
                certified = requantize_addition(
                    node, channels, ranges[node.input], ranges[node.second], config, strict
                )
            else:
                continue
        except ModelError as error:
            problems += error.problems
            continue
        certified.certify()
        solved[node.output] = certified
    if problems:
        raise ModelError(problems)
    return solved
