"""Random legal networks and engines for the whole-engine tests: a seed is enough to repeat one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..compiler.graph import Convolution, Graph, MaxPool, Node, Tensor
from ..compiler.requantization import FloatRequantization
from ..hw.config import EngineConfig

__all__ = ["random_engine", "random_graph"]


def random_engine(generator: np.random.Generator, largest: int = 6) -> EngineConfig:
    """An engine with p, m and n of 1 to ``largest`` (m to one and a half times that) and roomy memories."""

    def pick(*choices: int) -> int:
        return int(choices[generator.integers(len(choices))])

    return EngineConfig(
        p=pick(*range(1, largest + 1)),
        m=pick(*range(1, largest * 3 // 2 + 1)),
        n=pick(*range(1, largest + 1)),
        depth=pick(1, 1, 2, 3, 5),
        feature_depth=4096,
        weight_depth=16384,
        program_depth=2048,
        tap_depth=512,
        extent_width=6,
        accumulator_width=26,
        multiplier_width=34,
        shifts=(12, 20, 28, 36),
        requantizer_digit=pick(0, 0, 1, 4, 8),
        multiplier_latency=pick(2, 3),
        weight_memory=("block", "spram")[pick(0, 1)],
    )


def _window(generator: np.random.Generator, extent: int) -> tuple[int, int, int, int]:
    """Kernel, stride and both paddings along one axis of ``extent`` elements."""
    kernel = int(generator.integers(1, min(4, extent) + 1))
    return kernel, int(generator.integers(1, 4)), int(generator.integers(0, kernel)), int(generator.integers(0, kernel))


def _convolution(
    generator: np.random.Generator, number: int, channels: int, kernel: tuple[int, int], zero_point: int
) -> Convolution:
    """A convolution, depthwise or grouped one in some cases, whose outputs spread over int8."""
    kind = generator.random()
    groups, outputs = 1, int(generator.integers(1, 20))
    if kind < 0.25:
        groups, outputs = channels, channels * int(generator.integers(1, 3))
    elif kind < 0.4 and channels % 2 == 0:
        groups, outputs = 2, 2 * int(generator.integers(1, 8))
    shape = (outputs, *kernel, channels // groups)
    spread = 5000 * np.sqrt(np.prod(shape[1:]))
    low, high = (-128, 127) if generator.random() < 0.7 else sorted(map(int, generator.integers(-128, 128, 2)))
    return Convolution(
        name=f"conv{number}",
        operator="Conv",
        input=f"map{number}",
        output=f"map{number + 1}",
        weights=generator.integers(-127, 128, shape).astype(np.int8),
        bias=generator.integers(-20000, 20000, outputs),
        requantization=FloatRequantization(
            scale=(generator.uniform(30, 100, outputs) / spread).astype(np.float32),
            zero_point=zero_point,
            low=low,
            high=high,
        ),
        groups=groups,
    )


def random_graph(generator: np.random.Generator, layers: int = 3) -> Graph:
    """A chain of 1 to ``layers`` convolutions (any kernel, stride, padding, dilation, groups) and max pools."""
    shape = (int(generator.integers(3, 13)), int(generator.integers(3, 13)), int(generator.integers(1, 20)))
    zero_point = int(generator.integers(-128, 128))
    graph = Graph(name="random", source="random", input="map0", input_float=False)
    graph.input_shape, graph.input_order = (1, *shape), np.arange(np.prod(shape))

    def add(name: str) -> None:
        graph.tensors[name] = Tensor(name=name, shape=shape, scale=1.0, zero_point=zero_point)

    add("map0")
    for number in range(int(generator.integers(1, layers + 1))):
        height, width, channels = shape
        (ky, sy, top, bottom), (kx, sx, left, right) = _window(generator, height), _window(generator, width)
        dilation = [1, 1]
        node: Node
        if generator.random() < 0.3:
            node = MaxPool(
                name=f"pool{number}",
                operator="MaxPool",
                input=f"map{number}",
                output=f"map{number + 1}",
                kernel=(ky, kx),
                stride=(sy, sx),
                padding=(top, left, bottom, right),
            )
        else:
            for axis, (kernel, padded) in enumerate(((ky, height + top + bottom), (kx, width + left + right))):
                if 2 * (kernel - 1) < padded and generator.random() < 0.3:
                    dilation[axis] = 2
            zero_point = int(generator.integers(-128, 128))
            node = replace(
                _convolution(generator, number, channels, (ky, kx), zero_point),
                stride=(sy, sx),
                padding=(top, left, bottom, right),
                dilation=(dilation[0], dilation[1]),
            )
            channels = len(node.weights) if isinstance(node, Convolution) else channels
        shape = (
            (height + top + bottom - (ky - 1) * dilation[0] - 1) // sy + 1,
            (width + left + right - (kx - 1) * dilation[1] - 1) // sx + 1,
            channels,
        )
        graph.nodes.append(node)
        add(node.output)
    graph.output = graph.nodes[-1].output
    graph.output_shape, graph.output_order = (1, *shape), np.arange(np.prod(shape))
    return graph
