"""Strides that are never walked: a layer whose output has one row or one column gets the smallest stride there."""

from __future__ import annotations

from dataclasses import replace

from .graph import Convolution, Graph, MaxPool, Node

__all__ = ["drop_idle_strides"]


def drop_idle_strides(graph: Graph) -> Graph:
    """``graph`` with those strides as small as they may be: 1 where the window covers the map, else so large that a second
    window still does not fit. A map for such a layer needs fewer phases, and shares its layout with other readers."""

    def dropped(node: Node) -> Node:
        if not isinstance(node, Convolution | MaxPool):
            return node
        kernel = node.weights.shape[1:3] if isinstance(node, Convolution) else node.kernel
        dilation = node.dilation if isinstance(node, Convolution) else (1, 1)
        extents, outputs = graph.tensors[node.input].shape, graph.tensors[node.output].shape

        def smallest(axis: int) -> int:
            if outputs[axis] > 1:
                return node.stride[axis]
            uncovered = extents[axis] + node.padding[axis] + node.padding[axis + 2] - dilation[axis] * (kernel[axis] - 1) - 1
            return min(node.stride[axis], uncovered + 1)

        stride = (smallest(0), smallest(1))
        return node if stride == node.stride else replace(node, stride=stride)

    return replace(graph, nodes=[dropped(node) for node in graph.nodes])
