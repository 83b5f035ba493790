"""Random legal networks and engines for the whole-engine tests: a seed is enough to repeat one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..compiler.graph import Add, Convolution, Graph, MaxPool, Node, Tensor
from ..compiler.requantization import FloatRequantization
from ..hw.config import EngineConfig

__all__ = ["random_engine", "random_graph"]


def random_engine(generator: np.random.Generator, largest: int = 6) -> EngineConfig:
    """An engine with p, m and n of 1 to ``largest`` (m to one and a half times that) and roomy memories."""

    def pick(*choices: int) -> int:
        return int(choices[generator.integers(len(choices))])

    p, m, n = pick(*range(1, largest + 1)), pick(*range(1, largest * 3 // 2 + 1)), pick(*range(1, largest + 1))
    return EngineConfig(
        p=p,
        m=m,
        n=n,
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
        logic_dots=pick(0, 0, p * n // 2, p * n),
        adding=bool(pick(0, 1)),
    )


def _window(generator: np.random.Generator, extent: int) -> tuple[int, int, int, int]:
    """Kernel, stride and both paddings along one axis of ``extent`` elements."""
    kernel = int(generator.integers(1, min(4, extent) + 1))
    return kernel, int(generator.integers(1, 4)), int(generator.integers(0, kernel)), int(generator.integers(0, kernel))


def _convolution(
    generator: np.random.Generator,
    number: int,
    channels: int,
    kernel: tuple[int, int],
    zero_point: int,
    source: str,
    outputs: int = 0,
) -> Convolution:
    """A convolution, depthwise or grouped one in some cases, whose outputs spread over int8; ``outputs`` 0: any."""
    kind = generator.random()
    groups = 1
    if kind < 0.25 and outputs in (0, channels):
        groups, outputs = channels, outputs or channels * int(generator.integers(1, 3))
    elif kind < 0.4 and channels % 2 == 0 and outputs % 2 == 0:
        groups, outputs = 2, outputs or 2 * int(generator.integers(1, 8))
    outputs = outputs or int(generator.integers(1, 20))
    shape = (outputs, *kernel, channels // groups)
    spread = 5000 * np.sqrt(np.prod(shape[1:]))
    low, high = (-128, 127) if generator.random() < 0.7 else sorted(map(int, generator.integers(-128, 128, 2)))
    return Convolution(
        name=f"conv{number}",
        operator="Conv",
        input=source,
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


def _addition(generator: np.random.Generator, number: int, inputs: list[str], graph: Graph) -> Add:
    """A residual addition ``rint(f * (a - zp_a) + g * (b - zp_b)) + zp`` with a clamp in some cases."""
    values = np.arange(-128, 128)
    factors = generator.uniform(0.3, 1.0, 2)
    zero_point = int(generator.integers(-128, 128))
    low, high = (-128, 127) if generator.random() < 0.7 else sorted(map(int, generator.integers(-128, 128, 2)))
    first, second = (
        factor * (values - graph.tensors[name].zero_point) for factor, name in zip(factors, inputs, strict=True)
    )
    sums = np.rint(first[:, None] + second[None, :]) + zero_point
    return Add(
        name=f"add{number}",
        operator="Add",
        input=inputs[0],
        second=inputs[1],
        output=f"map{number + 1}",
        table=np.clip(sums, low, high).astype(np.int8),
        weights=(float(factors[0]), float(factors[1])),
        zero_point=zero_point,
        low=low,
        high=high,
    )


def random_graph(generator: np.random.Generator, layers: int = 3, *, adding: bool = False) -> Graph:
    """1 to ``layers`` parts one behind the other: convolutions (any kernel, stride, padding, dilation, groups), max pools
    and, with ``adding``, residual blocks."""
    shape = (int(generator.integers(3, 13)), int(generator.integers(3, 13)), int(generator.integers(1, 20)))
    graph = Graph(name="random", source="random", input="map0", input_float=False)
    graph.input_shape, graph.input_order = (1, *shape), np.arange(np.prod(shape))
    graph.tensors["map0"] = Tensor(name="map0", shape=shape, scale=1.0, zero_point=int(generator.integers(-128, 128)))
    last = "map0"

    def append(node: Node, shape: tuple[int, int, int], zero_point: int) -> str:
        graph.nodes.append(node)
        graph.tensors[node.output] = Tensor(name=node.output, shape=shape, scale=1.0, zero_point=zero_point)
        return node.output

    def convolution(source: str, kernel: tuple[int, int], **geometry: Any) -> str:
        """Appends one; returns its output."""
        height, width, channels = graph.tensors[source].shape
        outputs = geometry.pop("outputs", 0)
        zero_point = int(generator.integers(-128, 128))
        number = len(graph.nodes)
        node = replace(_convolution(generator, number, channels, kernel, zero_point, source, outputs), **geometry)
        top, left, bottom, right = node.padding
        shape = (
            (height + top + bottom - (kernel[0] - 1) * node.dilation[0] - 1) // node.stride[0] + 1,
            (width + left + right - (kernel[1] - 1) * node.dilation[1] - 1) // node.stride[1] + 1,
            len(node.weights),
        )
        return append(node, shape, zero_point)

    for _ in range(int(generator.integers(1, layers + 1))):
        height, width, channels = graph.tensors[last].shape
        number = len(graph.nodes)
        (ky, sy, top, bottom), (kx, sx, left, right) = _window(generator, height), _window(generator, width)
        padding = (top, left, bottom, right)
        if adding and generator.random() < 0.4:
            if generator.random() < 0.5:
                sy = sx = 1
            k = 1 + 2 * int(generator.integers(2))
            main = convolution(last, (k, k), stride=(sy, sx), padding=(k // 2,) * 4, outputs=channels)
            if (sy, sx) != (1, 1) or generator.random() < 0.3:
                last = convolution(last, (1, 1), stride=(sy, sx), outputs=channels)
            inputs = [main, last] if generator.random() < 0.5 else [last, main]
            addition = _addition(generator, len(graph.nodes), inputs, graph)
            last = append(addition, graph.tensors[main].shape, addition.zero_point)
        elif generator.random() < 0.3:
            pool = MaxPool(
                name=f"pool{number}",
                operator="MaxPool",
                input=last,
                output=f"map{number + 1}",
                kernel=(ky, kx),
                stride=(sy, sx),
                padding=padding,
            )
            pooled = ((height + top + bottom - ky) // sy + 1, (width + left + right - kx) // sx + 1, channels)
            last = append(pool, pooled, graph.tensors[last].zero_point)
        else:
            dilation = [1, 1]
            for axis, (kernel, padded) in enumerate(((ky, height + top + bottom), (kx, width + left + right))):
                if 2 * (kernel - 1) < padded and generator.random() < 0.3:
                    dilation[axis] = 2
            last = convolution(
                last, (ky, kx), stride=(sy, sx), padding=padding, dilation=(dilation[0], dilation[1])
            )
    graph.output = last
    shape = graph.tensors[last].shape
    graph.output_shape, graph.output_order = (1, *shape), np.arange(np.prod(shape))
    return graph
