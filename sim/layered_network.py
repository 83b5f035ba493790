"""Networks of a given size with random weights: convolutions, pools and fully connected layers one behind the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..compiler.graph import Convolution, Graph
from ..compiler.requantization import FloatRequantization
from .growing_graph import GrowingGraph

__all__ = ["Layer", "layered_network"]

Layer = tuple[int, int] | int | str
"""(kernel, outputs): a convolution of stride 1 that keeps the map's size; outputs alone: a fully connected layer; "pool": 2 x 2."""


def layered_network(name: str, shape: tuple[int, int, int], layers: Sequence[Layer], *, seed: int = 1) -> Graph:
    """Int8 weights over the whole range; outputs spread over int8, negative ones cut off but in the last layer."""
    generator = np.random.default_rng(seed)
    graph = GrowingGraph(name, shape, 0)
    last = "map0"
    for number, layer in enumerate(layers):
        height, width, channels = graph.tensor(last).shape
        if isinstance(layer, str):
            last = graph.pool(last, (2, 2), (2, 2))
            continue
        kernel, outputs = (layer[0], layer[1]) if isinstance(layer, tuple) else (0, layer)
        weights = (outputs, kernel or height, kernel or width, channels)
        scale = generator.uniform(60, 100, outputs) / (5000 * np.sqrt(np.prod(weights[1:])))
        rule = FloatRequantization(
            scale=scale.astype(np.float32), zero_point=0, low=-128 if number == len(layers) - 1 else 0, high=127
        )  # fmt: skip
        last = graph.convolution(
            Convolution(
                name=f"conv{number}" if kernel else f"fc{number}",
                operator="Conv" if kernel else "Gemm",
                input=last,
                output=graph.next,
                weights=generator.integers(-127, 128, weights).astype(np.int8),
                bias=generator.integers(-2000, 2000, outputs),
                requantization=rule,
                padding=(kernel // 2,) * 4,
            )
        )
    return graph.finished(last)
