"""Binary and ternary weights recognised by value, in models whose file format has no type for them.

A network with weights -1, 0 and 1 that was quantized to int8 has weights such as -127, 0 and 127, with a scale to match. The layer
becomes one with weights -1, 0 and 1, whose requantization multiplies the sum by 127 first: the same function.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .graph import Convolution, Graph
from .number_sets import narrowest_format
from .requantization import GainRequantization

__all__ = ["recognise_weights"]


def recognise_weights(graph: Graph) -> None:
    """Name the number format of every layer's weights; layers with weights -g, 0 and g get -1, 0 and 1.

    Layers with groups or with one product for each output are left alone: they have hardly any weights.
    """
    for index, node in enumerate(graph.nodes):
        if not isinstance(node, Convolution) or node.groups != 1 or node.weights[0].size == 1:
            continue
        weights = node.weights.astype(np.int64)
        gain = int(np.abs(weights).max(initial=0))
        if gain and (weights % gain == 0).all():
            weights = weights // gain
        else:
            gain = 1
        rule, bias = node.requantization, node.bias
        if gain > 1:
            rule = GainRequantization(
                of=rule, gain=gain, constant=bias, zero_point=rule.zero_point, low=rule.low, high=rule.high
            )
            bias = np.zeros_like(bias)
        graph.nodes[index] = replace(
            node,
            weights=weights.astype(np.int8),
            bias=bias,
            requantization=rule,
            weight_format=narrowest_format(weights),
        )
