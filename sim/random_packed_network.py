"""Random networks of few bits and engines for them: binary, ternary, int4 and int8 maps and weights in one network."""

from __future__ import annotations

import numpy as np

from ..compiler.graph import Convolution, Graph
from ..compiler.number_formats import EngineFormats
from ..compiler.requantization import BytePlanes, FloatRequantization, Requantization, ThresholdRequantization
from ..hw.config import EngineConfig
from ..hw.formats import FORMATS
from .growing_graph import GrowingGraph

__all__ = ["random_packed_engine", "random_packed_graph"]

_FORMATS = tuple(FORMATS)


def random_packed_engine(
    generator: np.random.Generator, formats: EngineFormats, largest: int = 3, *, joining: bool = False
) -> EngineConfig:
    """An engine with p of 1 to ``largest``, m of 1 to 4, n of 1 or 2 (times what fills bytes), that knows ``formats`` and,
    with ``joining``, residual additions and concatenations."""

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
        adding=joining,
        prefetch=prefetch,
        taps_in_program=not prefetch and bool(pick(0, 1)),
        part_pitch=int(joining),
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
    generator: np.random.Generator,
    layers: int = 4,
    *,
    formats: tuple[str, ...] = _FORMATS,
    sums: bool = False,
    joining: bool = False,
) -> Graph:
    """Convolutions and max pools whose maps and weights are of ``formats``; with ``joining`` residual additions and
    concatenations, too; with ``sums`` the last layer gives bytes of its sums. In some networks all weights are binary or
    ternary, so that those of int8 maps need no multipliers, and nothing is joined; in some all is of one format.

    The graph says what an importer says: the narrowest format of each map and of each layer's weights.
    """

    def pick(*choices: str) -> str:
        return choices[int(generator.integers(len(choices)))]

    signs = tuple(name for name in formats if name in ("binary", "ternary"))
    weight_formats = formats
    if signs and generator.random() < 0.4:
        weight_formats, joining = (pick(*signs),) if generator.random() < 0.6 else signs, False
    if generator.random() < 0.25:
        formats = weight_formats = (pick(*formats),)
        joining = joining and formats != ("binary",)
    first = pick(*formats)
    shape = (int(generator.integers(3, 9)), int(generator.integers(3, 9)), int(generator.integers(1, 40)))
    members = FORMATS[first].members
    zero_point = 0 if first == "ternary" else int(members[generator.integers(len(members))])
    graph = GrowingGraph("packed", shape, zero_point, first)
    last = "map0"

    def window(source: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Kernel and stride."""
        ky, kx = (int(generator.integers(1, min(3, extent) + 1)) for extent in graph.tensor(source).shape[:2])
        sy, sx = (int(generator.integers(1, 3)) for _ in range(2))
        return (ky, kx), (sy, sx)

    def convolution(
        source: str, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], outputs: int = 0, planes: int = 0
    ) -> str:
        """Appends one, depthwise in some cases; ``planes``: bytes of its sums. Returns its output."""
        channels = graph.tensor(source).shape[2]
        weights_in, target = pick(*weight_formats), pick(*formats)
        groups = channels if generator.random() < 0.15 and not outputs else 1
        outputs = outputs or (channels if groups > 1 else int(generator.integers(1, 24)))
        members = np.array(FORMATS[weights_in].members, np.int8)
        weights = generator.choice(members, (outputs, *kernel, channels // groups)).astype(np.int8)
        bias = generator.integers(-5, 6, outputs)
        largest = max(map(abs, FORMATS[graph.tensor(source).format].members)) * int(max(map(abs, members.tolist())))
        rule = _rule(generator, target, outputs, weights[0].size, largest)
        if planes:
            target, groups = "int8", 1
            outputs = min(outputs, 6)
            weights = generator.choice(members, (outputs, *kernel, channels)).astype(np.int8)
            weights, bias = np.concatenate([weights] * planes), np.concatenate([bias[:outputs]] * planes)
            rule = BytePlanes(shift=np.repeat(8 * np.arange(planes), outputs))
        node = Convolution(
            name=f"conv{graph.number}", operator="Conv", input=source, output=graph.next, weights=weights, bias=bias,
            requantization=rule, stride=stride, padding=padding * 2, groups=groups, weight_format=weights_in,
        )  # fmt: skip
        return graph.convolution(node, target)

    def joint(source: str) -> str:
        """Appends a layer beside ``source`` and the concatenation or the sum of both maps; returns its output."""
        k = 1 + 2 * int(generator.integers(2))
        beside = convolution(source, (k, k), (1, 1), (k // 2, k // 2), outputs=graph.tensor(source).shape[2])
        parts = [source, beside] if generator.random() < 0.5 else [beside, source]
        if len({graph.tensor(part).zero_point for part in parts}) == 1 and generator.random() < 0.5:
            return graph.concatenation(parts)
        target = pick(*(name for name in formats if name != "binary"))
        number_format = FORMATS[target]
        spread = sum(float(np.ptp(FORMATS[graph.tensor(part).format].members)) for part in parts)
        factors = generator.uniform(0.5, 1.5, 2) * np.ptp(number_format.members) / spread
        zero_point = int(generator.integers(-20, 20)) if target == "int8" else 0
        return graph.addition(parts, factors.tolist(), zero_point, (number_format.low, number_format.high), target)

    count = int(generator.integers(2, layers + 1))
    for number in range(count):
        kernel, stride = window(last)
        if generator.random() < 0.25 and number < count - 1:
            top, left, bottom, right = (
                int(generator.integers(0, extent)) if generator.random() < 0.4 else 0 for extent in kernel * 2
            )
            last = graph.pool(last, kernel, stride, (top, left, bottom, right))
            continue
        if joining and number < count - 1 and generator.random() < 0.5:
            last = joint(last)
            continue
        padded = generator.random() < 0.5
        top, left = (int(generator.integers(0, extent)) if padded else 0 for extent in kernel)
        last = convolution(last, kernel, stride, (top, left), planes=3 if sums and number == count - 1 else 0)
    return graph.finished(last)
