"""Maps that are read with several horizontal strides: each stride but one gets a copy in phases of its own."""

from __future__ import annotations

from dataclasses import replace

from .copy_layer import append_copy
from .graph import Concat, Convolution, Graph, MaxPool, Node

__all__ = ["horizontal_stride", "reading_strides", "rephase"]


def horizontal_stride(node: Node) -> int:
    """Columns between two neighbouring pixels of the output; 1 for element-wise nodes."""
    return node.stride[1] if isinstance(node, Convolution | MaxPool) else 1


def reading_strides(graph: Graph) -> dict[str, set[int]]:
    """For each tensor the horizontal strides with which layers read it; concatenation is no layer."""
    strides: dict[str, set[int]] = {name: set() for name in graph.tensors}
    for node in graph.nodes:
        if not isinstance(node, Concat):
            for name in node.inputs:
                strides[name].add(horizontal_stride(node))
    return strides


def rephase(graph: Graph) -> Graph:
    """``graph`` with at most one reading stride for each tensor, itself if that is so already.

    A tensor that is read with several is read with stride 1 from now on: by its readers of stride 1, and by a copy for
    each other stride, which stands in front of the first reader of that stride.
    """
    conflicts = {name: strides for name, strides in reading_strides(graph).items() if len(strides) > 1}
    if not conflicts:
        return graph
    result = replace(graph, tensors=dict(graph.tensors), nodes=list(graph.nodes))
    copies: dict[tuple[str, int], str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        stride = horizontal_stride(node)
        # Only layers of one input have a stride.
        if node.input in conflicts and stride > 1:
            place = (node.input, stride)
            if place not in copies:
                copies[place] = f"{node.input} for stride {stride}"
                nodes.append(append_copy(result, node.input, copies[place], words=True))
            node = replace(node, input=copies[place])
        nodes.append(node)
    result.nodes = nodes
    return result
