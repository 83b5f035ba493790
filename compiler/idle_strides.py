"""Strides that are never walked: a layer whose output has one row or one column gets a stride of 1 there."""

from __future__ import annotations

from dataclasses import replace

from .graph import Convolution, Graph, MaxPool, Node

__all__ = ["drop_idle_strides"]


def drop_idle_strides(graph: Graph) -> Graph:
    """``graph`` with those strides 1. A map for such a layer needs no phases, and shares its layout with other readers."""

    def dropped(node: Node) -> Node:
        if not isinstance(node, Convolution | MaxPool):
            return node
        rows, columns, _ = graph.tensors[node.output].shape
        stride = (1 if rows == 1 else node.stride[0], 1 if columns == 1 else node.stride[1])
        return node if stride == node.stride else replace(node, stride=stride)

    return replace(graph, nodes=[dropped(node) for node in graph.nodes])
