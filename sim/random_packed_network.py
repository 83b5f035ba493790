"""Random networks of few bits and engines for them: binary, ternary, int4 and int8 maps and weights in one network."""

from __future__ import annotations

import numpy as np

from ..compiler.graph import Convolution, Graph, MaxPool, Node, Tensor
from ..compiler.number_formats import EngineFormats
from ..compiler.requantization import BytePlanes, FloatRequantization, Requantization, ThresholdRequantization
from ..hw.config import EngineConfig
from ..hw.formats import FORMATS

__all__ = ["random_packed_engine", "random_packed_graph"]

_FORMATS = tuple(FORMATS)


def random_packed_engine(
    generator: np.random.Generator, formats: EngineFormats, largest: int = 3
) -> EngineConfig:
    """An engine with p of 1 to ``largest``, m of 1 to 4, n of 1 or 2 (times what fills bytes), that knows ``formats``."""

    def pick(*choices: int) -> int:
        return int(choices[generator.integers(len(choices))])

    p, m, n = pick(*range(1, largest + 1)), pick(1, 2, 3, 4), pick(1, 2) * formats.lane_step
    prefetch = bool(pick(0, 1))
    return EngineConfig(
        p=p,
        m=m,
        n=n,
        depth=pick(1, 2, 3),
        feature_depth=8192,
        weight_depth=32768,
        program_depth=2048,
        tap_depth=512,
        extent_width=6,
        accumulator_width=24,
        multiplier_width=34,
        shifts=(6, 12, 18, 24, 30, 36, 42),
        requantizer_digit=pick(0, 8),
        multiplier_latency=pick(2, 3),
        prefetch=prefetch,
        taps_in_program=not prefetch and bool(pick(0, 1)),
        products=formats.products,
        output_formats=formats.output_formats,
        wrapping=formats.wrapping,
        logic_dots=pick(0, p * n) if "int8xint8" in formats.products else 0,
    )


def _rule(
    generator: np.random.Generator, target: str, outputs: int, products: int, largest: int
) -> Requantization:
    """A staircase to ``target`` over sums of so many products up to ``largest`` each; thresholds on a line, ties included."""
    spread = max(largest * np.sqrt(products), 1.0)
    if target == "int8":
        scale = generator.uniform(30, 100, outputs) / spread
        return FloatRequantization(scale=scale.astype(np.float32), zero_point=int(generator.integers(-20, 20)))
    low, high = (0, 1) if target == "binary" else (FORMATS[target].low, FORMATS[target].high)
    step = generator.uniform(0, 1, outputs) * spread / (high - low)
    begin = generator.uniform(-0.5, 0.5, outputs) * spread - step * (high - low) / 2
    thresholds = np.ceil(begin[:, None] + step[:, None] * np.arange(high - low)[None, :]).astype(np.int64)
    return ThresholdRequantization(low=low, high=high, thresholds=thresholds)


def random_packed_graph(
    generator: np.random.Generator, layers: int = 4, *, formats: tuple[str, ...] = _FORMATS, sums: bool = False
) -> Graph:
    """Convolutions and max pools whose maps and weights are of ``formats``; with ``sums`` the last layer gives bytes of its sums.

    The graph says what an importer says: the narrowest format of each map and of each layer's weights.
    """

    def pick(*choices: str) -> str:
        return choices[int(generator.integers(len(choices)))]

    first = pick(*formats)
    shape = (int(generator.integers(3, 9)), int(generator.integers(3, 9)), int(generator.integers(1, 40)))
    graph = Graph(name="packed", source="packed", input="map0", input_float=False)
    graph.input_shape, graph.input_order = (1, *shape), np.arange(np.prod(shape))
    zero_point = int(generator.integers(-20, 20)) if first == "int8" else 0
    graph.tensors["map0"] = Tensor(name="map0", shape=shape, scale=1.0, zero_point=zero_point, format=first)
    last = "map0"

    def append(node: Node, shape: tuple[int, int, int], zero_point: int, stored: str) -> None:
        nonlocal last
        last = node.output
        graph.nodes.append(node)
        graph.tensors[last] = Tensor(name=last, shape=shape, scale=1.0, zero_point=zero_point, format=stored)

    count = int(generator.integers(2, layers + 1))
    for number in range(count):
        source = graph.tensors[last]
        height, width, channels = source.shape
        output = f"map{number + 1}"
        ky, kx = (int(generator.integers(1, min(3, extent) + 1)) for extent in (height, width))
        sy, sx = (int(generator.integers(1, 3)) for _ in range(2))
        if generator.random() < 0.25 and number < count - 1:
            pool = MaxPool(
                name=f"pool{number}", operator="MaxPool", input=last, output=output, kernel=(ky, kx), stride=(sy, sx)
            )
            pooled = (height - ky) // sy + 1, (width - kx) // sx + 1, channels
            append(pool, pooled, source.zero_point, source.format)
            continue
        padded = generator.random() < 0.5
        top, left = (int(generator.integers(0, extent)) if padded else 0 for extent in (ky, kx))
        weights_in, target = pick(*formats), pick(*formats)
        groups = channels if generator.random() < 0.15 else 1
        planes = 3 if sums and number == count - 1 else 1
        outputs = channels if groups > 1 else int(generator.integers(1, 24))
        members = np.array(FORMATS[weights_in].members, np.int8)
        weights = generator.choice(members, (outputs, ky, kx, channels // groups)).astype(np.int8)
        bias = generator.integers(-5, 6, outputs)
        largest = max(map(abs, FORMATS[source.format].members)) * int(max(map(abs, members.tolist())))
        rule = _rule(generator, target, outputs, weights[0].size, largest)
        if sums and number == count - 1:
            target, groups = "int8", 1
            outputs = min(outputs, 6)
            weights = generator.choice(members, (outputs, ky, kx, channels)).astype(np.int8)
            weights, bias = np.concatenate([weights] * planes), np.concatenate([bias[:outputs]] * planes)
            rule = BytePlanes(shift=np.repeat(8 * np.arange(planes), outputs))
        node = Convolution(
            name=f"conv{number}", operator="Conv", input=last, output=output, weights=weights, bias=bias,
            requantization=rule, stride=(sy, sx), padding=(top, left, top, left), groups=groups, weight_format=weights_in,
        )  # fmt: skip
        shape = (height + 2 * top - ky) // sy + 1, (width + 2 * left - kx) // sx + 1, len(weights)
        append(node, shape, rule.zero_point, target)
    graph.output = last
    shape = graph.tensors[last].shape
    graph.output_shape, graph.output_order = (1, *shape), np.arange(np.prod(shape))
    return graph


