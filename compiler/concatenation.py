"""Concatenation without work: the parts are written where the whole lies, behind each other in channel order.

A part gets a copy layer where its other readers need it elsewhere (with words of its own, or another stride), where a max
pool, which writes whole words, would overwrite its neighbours, where it is part of two concatenations, and where it
is the network's input. Nested concatenations are one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .copy_layer import append_copy
from .graph import Concat, Graph, MaxPool, Node
from .problem import ModelError, Problem
from .rephasing import reading_strides, rephase

__all__ = ["ChannelPlace", "channel_places", "legalize", "may_need_copies"]


@dataclass(frozen=True)
class ChannelPlace:
    """A tensor is the channels of tensor ``whole`` from ``channel`` on; of itself from 0 on if it is no part."""

    whole: str
    channel: int


def channel_places(graph: Graph) -> dict[str, ChannelPlace]:
    """Where every tensor of a legalized graph lies."""
    places = {name: ChannelPlace(name, 0) for name in graph.tensors}
    for node in reversed(graph.nodes):
        if isinstance(node, Concat):
            channel = places[node.output].channel
            for name in node.inputs:
                places[name] = ChannelPlace(places[node.output].whole, channel)
                channel += graph.tensors[name].shape[2]
    return places


def _check(graph: Graph, node: Concat) -> None:
    whole = graph.tensors[node.output]
    parts = [graph.tensors[name] for name in node.inputs]
    shapes = " + ".join("x".join(map(str, part.shape)) for part in parts)
    extents = {part.shape[:2] for part in parts} | {whole.shape[:2]}
    rule = ""
    if len(extents) > 1 or sum(part.shape[2] for part in parts) != whole.shape[2]:
        rule = "the parts of a concatenation must have one height and width"
    elif any((part.scale, part.zero_point) != (whole.scale, whole.zero_point) for part in parts):
        rule = "the parts of a concatenation must have its output's scale and zero point"
    if rule:
        remedy = "quantize the inputs and the output of the concatenation alike"
        raise ModelError([Problem(node.name, node.operator, shapes, rule, remedy)])


class _Placement:
    """Decides, from the last concatenation to the first, which parts are written into their wholes."""

    def __init__(self, graph: Graph, m: int) -> None:
        self.graph, self.m = graph, m
        self.result = replace(graph, tensors=dict(graph.tensors), nodes=list(graph.nodes))
        self.producers = {node.output: node for node in graph.nodes}
        self.places: dict[str, ChannelPlace] = {}
        self.strides = reading_strides(graph)
        parts = [name for node in graph.nodes if isinstance(node, Concat) for name in node.inputs]
        for name in set(parts):
            if parts.count(name) > 1:  # all but one of its wholes get a copy, which reads it
                self.strides[name].add(1)

    def _aligned(self, name: str, place: ChannelPlace) -> bool:
        """Whether whole words can be written at ``place`` without touching the part behind."""
        channels, end = self.graph.tensors[name].shape[2], self.graph.tensors[place.whole].shape[2]
        return place.channel % self.m == 0 and (channels % self.m == 0 or place.channel + channels == end)

    def _accepts(self, name: str, place: ChannelPlace) -> bool:
        """Whether tensor ``name`` can be written to ``place`` and read from there."""
        producer = self.producers.get(name)
        if name in self.places or producer is None:
            return False
        if isinstance(producer, MaxPool) and not self._aligned(name, place):
            return False
        strides = self.strides[name]
        return not strides or (place.channel % self.m == 0 and len(self.strides[place.whole] | strides) == 1)

    def _copied(self, name: str, node: Concat, place: ChannelPlace) -> Node:
        target = f"{name} in {node.output}"
        if target in self.result.tensors:
            target = f"{target} from {place.channel}"
        return append_copy(self.result, name, target, words=self._aligned(name, place))

    def _place(self, node: Concat) -> list[Node]:
        """The node behind the copies that it needs."""
        root = self.places.get(node.output, ChannelPlace(node.output, 0))
        channel = root.channel
        names: list[str] = []
        copies: list[Node] = []
        for name in node.inputs:
            place = ChannelPlace(root.whole, channel)
            part = name
            if self._accepts(name, place):
                self.strides[root.whole] |= self.strides[name]
            else:
                copies.append(self._copied(name, node, place))
                part = copies[-1].output
            self.places[part] = place
            names.append(part)
            channel += self.graph.tensors[name].shape[2]
        return [*copies, replace(node, input=names[0], others=tuple(names[1:]))]

    def run(self) -> Graph:
        """The graph with all copies."""
        nodes: list[Node] = []
        for node in reversed(self.graph.nodes):
            nodes = [*(self._place(node) if isinstance(node, Concat) else [node]), *nodes]
        self.result.nodes = nodes
        return self.result


def may_need_copies(graph: Graph) -> bool:
    """Whether :func:`legalize` adds copies for some engine."""
    return rephase(graph) is not graph or any(isinstance(node, Concat) for node in graph.nodes)


def legalize(graph: Graph, m: int) -> Graph:
    """``graph`` for an engine with words of m bytes; itself if there is nothing to do.

    Every tensor is read with one horizontal stride, that of its whole if it is part of a concatenation, and every part
    is written into its whole by one layer: :func:`channel_places` holds. Raises ModelError for a concatenation of maps
    that differ in height, width or quantization.
    """
    graph = rephase(graph)
    if not any(isinstance(node, Concat) for node in graph.nodes):
        return graph
    for node in graph.nodes:
        if isinstance(node, Concat):
            _check(graph, node)
    # A copy reads with stride 1, which may be a new stride for a part.
    return rephase(_Placement(graph, m).run())
