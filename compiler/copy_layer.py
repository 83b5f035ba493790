"""Copies: layers that only move a map, for where one place in the feature buffer cannot serve all who use it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .graph import COPY, Convolution, Graph, MaxPool, Node
from .requantization import FloatRequantization

__all__ = ["append_copy", "identity_convolution", "with_copy"]

_WEIGHT = 127
"""Weight of an identity convolution: odd, so that no sum lies between two outputs and every rounding is the same, and
large, so that the multiplier is not wider than those of other layers."""


def identity_convolution(name: str, source: str, target: str, channels: int, zero_point: int) -> Convolution:
    """A depthwise 1 x 1 convolution whose output is its input, exactly: ``127 * (x - zp)``, times 1 / 127, plus zp."""
    return Convolution(
        name=name,
        operator=COPY,
        input=source,
        output=target,
        weights=np.full((channels, 1, 1, 1), _WEIGHT, np.int8),
        bias=np.zeros(channels, np.int64),
        requantization=FloatRequantization(
            scale=np.full(channels, 1 / _WEIGHT, np.float32), zero_point=zero_point, low=-128, high=127
        ),
        groups=channels,
    )


def append_copy(graph: Graph, source: str, target: str, *, words: bool) -> Node:
    """Adds the tensor ``target`` to ``graph`` and returns the layer that copies ``source`` there, not yet in ``nodes``.

    A max pool over one pixel copies whole words, so it will do if ``words``; it is taken where the network has max pools
    anyway. Otherwise the copy is an identity convolution.
    """
    tensor = graph.tensors[source]
    graph.tensors[target] = replace(tensor, name=target, reference="", reference_shape=())
    if words and any(isinstance(node, MaxPool) for node in graph.nodes):
        return MaxPool(name=f"copy of {source}", operator=COPY, input=source, output=target, kernel=(1, 1))
    return identity_convolution(f"copy of {source}", source, target, tensor.shape[2], tensor.zero_point)


def with_copy(graph: Graph) -> Graph:
    """``graph`` and one identity convolution of its input: what the requantizer must be able to do where copies may come."""
    copied = replace(graph, tensors=dict(graph.tensors), nodes=list(graph.nodes))
    tensor = graph.tensors[graph.input]
    name = f"{graph.input} copied"
    copied.tensors[name] = replace(tensor, name=name)
    copied.nodes.append(identity_convolution("copy", graph.input, name, tensor.shape[2], tensor.zero_point))
    return copied
