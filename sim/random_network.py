"""Random legal networks and engines for the whole-engine tests: a seed is enough to repeat one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.graph import Convolution, Graph
from ..compiler.requantization import FixedPointRequantization, FloatRequantization
from ..hw.config import EngineConfig
from .growing_graph import GrowingGraph

__all__ = ["random_engine", "random_graph"]


def random_engine(generator: np.random.Generator, largest: int = 6) -> EngineConfig:
    """An engine with p, m and n of 1 to ``largest`` (m to one and a half times that) and roomy memories."""

    def pick(*choices: int) -> int:
        return int(choices[generator.integers(len(choices))])

    p, m, n = pick(*range(1, largest + 1)), pick(*range(1, largest * 3 // 2 + 1)), pick(*range(1, largest + 1))
    nudge = pick(0, 25)
    prefetch = bool(pick(0, 1))
    return EngineConfig(
        p=p,
        m=m,
        n=n,
        depth=pick(1, 1, 2, 3, 5),
        feature_depth=16384,
        weight_depth=65536,
        program_depth=2048,
        tap_depth=512,
        extent_width=6,
        accumulator_width=26,
        multiplier_width=34,
        shifts=(20, 30, 31, 32, 33, 34, 35, 36) if nudge else (12, 20, 28, 36),
        nudge=nudge,
        requantizer_digit=pick(0, 0, 1, 4, 8),
        multiplier_latency=pick(2, 3),
        weight_memory=("block", "spram")[pick(0, 1)],
        logic_dots=pick(0, 0, p * n // 2, p * n),
        adding=bool(pick(0, 1)),
        prefetch=prefetch,
        taps_in_program=not prefetch and bool(pick(0, 1)),
        part_pitch=pick(0, 1),
    )


def _window(generator: np.random.Generator, extent: int) -> tuple[int, int, int, int]:
    """Kernel, stride and both paddings along one axis of ``extent`` elements."""
    kernel = int(generator.integers(1, min(4, extent) + 1))
    return kernel, int(generator.integers(1, 4)), int(generator.integers(0, kernel)), int(generator.integers(0, kernel))


def _rule(
    scale: NDArray[np.float64], two_roundings: bool, zero_point: int, low: int, high: int
) -> FloatRequantization | FixedPointRequantization:
    """ONNX Runtime's or TensorFlow Lite Micro's requantization."""
    if not two_roundings:
        return FloatRequantization(scale=scale.astype(np.float32), zero_point=zero_point, low=low, high=high)
    fraction, exponent = np.frexp(scale)
    return FixedPointRequantization(
        multiplier=np.floor(fraction * 2**31).astype(np.int64),
        shift=exponent.astype(np.int64),
        zero_point=zero_point,
        low=low,
        high=high,
    )


def _convolution(
    generator: np.random.Generator,
    number: int,
    channels: int,
    kernel: tuple[int, int],
    zero_point: int,
    source: str,
    outputs: int,
    two_roundings: bool,
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
        requantization=_rule(generator.uniform(30, 100, outputs) / spread, two_roundings, zero_point, low, high),
        groups=groups,
    )


def random_graph(
    generator: np.random.Generator,
    layers: int = 3,
    *,
    adding: bool = False,
    joining: bool = False,
    two_roundings: bool = False,
    doubling: bool = False,
) -> Graph:
    """1 to ``layers`` parts one behind the other: convolutions (any kernel, stride, padding, dilation, groups), max pools
    and, with ``adding``, residual blocks, with ``joining`` concatenations of branches;
    with ``two_roundings`` requantized as TensorFlow Lite Micro does. With ``doubling`` some residual blocks add a map that is
    concatenated with itself, whose halves are copied, to no more than 40 channels."""
    shape = (int(generator.integers(3, 13)), int(generator.integers(3, 13)), int(generator.integers(1, 20)))
    graph = GrowingGraph("random", shape, int(generator.integers(-128, 128)))
    last = "map0"

    def convolution(source: str, kernel: tuple[int, int], **geometry: Any) -> str:
        """Appends one; returns its output."""
        channels = graph.tensor(source).shape[2]
        outputs = geometry.pop("outputs", 0)
        zero_point = geometry.pop("zero_point", int(generator.integers(-128, 128)))
        number = graph.number
        node = _convolution(generator, number, channels, kernel, zero_point, source, outputs, two_roundings)
        return graph.convolution(replace(node, **geometry))

    def residual(inputs: list[str]) -> str:
        """Appends their addition, with a clamp in some cases; returns its output."""
        factors = generator.uniform(0.3, 1.0, 2).tolist()
        zero_point = int(generator.integers(-128, 128))
        low, high = (-128, 127) if generator.random() < 0.7 else sorted(map(int, generator.integers(-128, 128, 2)))
        return graph.addition(inputs, factors, zero_point, (low, high))

    def joint(source: str, stride: tuple[int, int]) -> str:
        """Appends branches of one source and their concatenation; returns its output."""
        zero_point = graph.tensor(source).zero_point
        parts: list[str] = []
        for _ in range(int(generator.integers(2, 4))):
            kind = generator.random()
            if kind < 0.2 and stride == (1, 1):
                parts.append(source)
            elif kind < 0.4:
                parts.append(graph.pool(source, (3, 3), stride, (1, 1, 1, 1)))
            elif kind < 0.5 and parts:
                parts.append(parts[0])
            else:
                k = 1 + 2 * int(generator.integers(2))
                parts.append(convolution(source, (k, k), stride=stride, padding=(k // 2,) * 4, zero_point=zero_point))
        if generator.random() < 0.3:  # another reader of a part; nobody reads the result
            convolution(parts[-1], (1, 1), stride=(1, int(generator.integers(1, 3))))
        return graph.concatenation(parts)

    for _ in range(int(generator.integers(1, layers + 1))):
        height, width, channels = graph.tensor(last).shape
        (ky, sy, top, bottom), (kx, sx, left, right) = _window(generator, height), _window(generator, width)
        padding = (top, left, bottom, right)
        if doubling and channels <= 20 and generator.random() < 0.4:
            doubled = graph.concatenation([last, last]) if generator.random() < 0.5 else ""
            beside = convolution(last, (1, 1), outputs=2 * channels)
            last = residual([doubled or graph.concatenation([last, last]), beside])
        elif adding and generator.random() < 0.4:
            if generator.random() < 0.5:
                sy = sx = 1
            k = 1 + 2 * int(generator.integers(2))
            if generator.random() < 0.2:
                main = graph.pool(last, (k, k), (sy, sx), (k // 2,) * 4)
            else:
                main = convolution(last, (k, k), stride=(sy, sx), padding=(k // 2,) * 4, outputs=channels)
            if (sy, sx) != (1, 1) or generator.random() < 0.3:
                last = convolution(last, (1, 1), stride=(sy, sx), outputs=channels)
            last = residual([main, last] if generator.random() < 0.5 else [last, main])
            if generator.random() < 0.2:
                last = residual([last, main])
        elif joining and generator.random() < 0.4:
            last = joint(last, (sy, sx) if generator.random() < 0.3 else (1, 1))
            if generator.random() < 0.3:
                last = joint(last, (1, 1))
        elif generator.random() < 0.3:
            last = graph.pool(last, (ky, kx), (sy, sx), padding)
        else:
            dilation = [1, 1]
            for axis, (kernel, padded) in enumerate(((ky, height + top + bottom), (kx, width + left + right))):
                if 2 * (kernel - 1) < padded and generator.random() < 0.3:
                    dilation[axis] = 2
            last = convolution(last, (ky, kx), stride=(sy, sx), padding=padding, dilation=(dilation[0], dilation[1]))
    return graph.finished(last)
