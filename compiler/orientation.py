"""Orientation: rows and columns of a whole network exchanged, so that a tall narrow map fills p neighbours of a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .graph import Add, Concat, Convolution, Graph, MaxPool, Node

__all__ = ["turn"]


def _turned(node: Node) -> Node:
    if isinstance(node, Convolution | MaxPool):
        top, left, bottom, right = node.padding
        stride, padding = (node.stride[1], node.stride[0]), (left, top, right, bottom)
        if isinstance(node, MaxPool):
            return replace(node, kernel=(node.kernel[1], node.kernel[0]), stride=stride, padding=padding)
        return replace(
            node,
            weights=np.ascontiguousarray(node.weights.transpose(0, 2, 1, 3)),
            stride=stride,
            padding=padding,
            dilation=(node.dilation[1], node.dilation[0]),
        )
    if isinstance(node, Add | Concat):
        return node
    raise TypeError(f"a {type(node).__name__} cannot be turned")


def turn(graph: Graph) -> Graph:
    """``graph`` with every map's rows as columns; the model's input and output are the same. Turned twice it is ``graph``.

    Source model and host do not change: ``input_order`` and ``output_order`` account for it, and ``Tensor.transposed``
    says it to those who compare maps with the model's.
    """
    height, width, channels = graph.tensors[graph.output].shape
    # Where each element of the old output map is in the new one.
    moved = np.arange(height * width * channels).reshape(width, height, channels).transpose(1, 0, 2).reshape(-1)
    return replace(
        graph,
        tensors={
            name: replace(
                tensor,
                shape=(tensor.shape[1], tensor.shape[0], tensor.shape[2]),
                transposed=not tensor.transposed,
            )
            for name, tensor in graph.tensors.items()
        },
        nodes=[_turned(node) for node in graph.nodes],
        input_order=graph.input_order.reshape(graph.tensors[graph.input].shape).transpose(1, 0, 2).reshape(-1),
        output_order=moved[graph.output_order],
    )
