"""The decomposition of the array's slots: it sums, its useful part is the model's products, and the reasons follow from it."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest

from macaw.compiler.input_folding import fold_input, foldings
from macaw.compiler.network_plan import plan_network
from macaw.sim.cost.cycles import LayerCycles, layer_cycles
from macaw.sim.cost.utilization import LayerShape, slot_use
from macaw.sim.random_network import random_engine, random_graph

ARRAY = (4, 8, 4)


@pytest.mark.parametrize("seed", range(30))
def test_parts_sum_to_all_slots(seed: int) -> None:
    generator = np.random.default_rng(seed)
    config = random_engine(generator, 12)
    array = config.p, config.m, config.n
    graph = random_graph(generator, 4)
    products = sum(layer.products for layer in plan_network(graph, *array).layers)
    if offered := foldings(graph, *array):
        graph = fold_input(graph, offered[0].rows, offered[0].columns)
    plan = plan_network(graph, *array)
    useful = 0
    for layer in plan.layers:
        cycles = sum((layer_cycles(config, layer.loops(*part)) for part in layer.passes), LayerCycles())
        use = slot_use(layer.shape, array, cycles)
        assert use.total == prod(array) * cycles.total
        assert sum(use.shares().values()) == pytest.approx(1)
        assert min(use.shares().values()) > 0
        assert use.useful == layer.products
        assert bool(use.reasons(layer.shape, array)) == (use.useful < 0.85 * use.total)
        useful += use.useful
    assert useful == products


def shape(**changes: Any) -> LayerShape:
    """A 3 x 3 convolution of 16 to 16 channels on 16 x 16 pixels."""
    layer = LayerShape(
        kind="product", rows=16, width=16, outputs=16, groups=4, words=2, taps=9, fan_in=16, grouped=False, products=144
    )
    return replace(layer, **changes)


@pytest.mark.parametrize(
    ("layer", "waiting", "reasons"),
    [
        (shape(), {}, []),
        (shape(fan_in=1, words=1, products=9), {}, ["few input channels: 1 for 8 bytes of a word (88 %)"]),
        (shape(fan_in=9, products=81), {}, ["tail of m: 9 input channels are not a multiple of 8 (44 %)"]),
        (shape(width=5), {}, ["tail of p: 5 columns are not a multiple of 4 (38 %)"]),
        (shape(rows=1, width=1), {}, ["one pixel: 3 of 4 places are empty (75 %)"]),
        (shape(outputs=2, groups=1), {}, ["tail of n: 2 output channels are not a multiple of 4 (50 %)"]),
        (
            shape(fan_in=1, words=1, products=9, grouped=True),
            {},
            ["depthwise: an output channel needs 1 of the 8 channels that are read (88 %)"],
        ),
        (
            shape(fan_in=4, words=1, products=36, grouped=True),
            {},
            ["grouped: an output channel needs 4 of the 8 channels that are read (50 %)"],
        ),
        (shape(taps=1, fan_in=12, products=9), {}, [
            "tail of m: 12 input channels are not a multiple of 8 (25 %)", "zeros that fill up the folded kernel (19 %)",
        ]),
        (shape(), {"stalls": 4608}, ["drain-bound: the array waits for the output stage (50 %)"]),
        (shape(), {"overhead": 4608}, ["short layer: fetch, decode and flush (50 %)"]),
        (shape(kind="add"), {}, ["residual addition: no products of the model (100 %)"]),
        (shape(kind="pool"), {}, ["no products: the pooling array works (100 %)"]),
        (shape(kind="copy"), {}, ["a copy: no products of the model (100 %)"]),
        (shape(), {name: 222 for name in ("parameters", "stalls", "drain", "overhead")}, [
            "drain-bound: the array waits for the output stage (4 %)", "requantization parameters are loaded (4 %)",
            "short layer: fetch, decode and flush (4 %)", "the last pixels drain (4 %)",
        ]),
    ],
)  # fmt: skip
def test_reasons(layer: LayerShape, waiting: dict[str, int], reasons: list[str]) -> None:
    steps = layer.rows * -(-layer.width // 4) * layer.groups * layer.words * layer.taps
    use = slot_use(layer, ARRAY, LayerCycles(steps=steps, **waiting))
    found = use.reasons(layer, ARRAY)
    assert sorted(found) == sorted(reasons)


def test_steps_of_another_layer_are_an_error() -> None:
    with pytest.raises(ValueError, match="a layer of 7 steps is not"):
        slot_use(shape(), ARRAY, LayerCycles(steps=7))
