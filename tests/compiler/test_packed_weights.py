"""Tests of macaw.compiler.packed_weights: the surplus is what the golden array's sums have more than the dot products."""

from __future__ import annotations

import numpy as np
import pytest

from macaw.compiler.graph import Convolution
from macaw.compiler.layer_requantization import accumulator_width, reachable_accumulators
from macaw.compiler.packed_weights import layer_surplus, packed_weights, surplus
from macaw.compiler.requantization import FloatRequantization
from macaw.hw.memory.map_layout import MapLayout
from macaw.hw.products import PRODUCTS
from macaw.sim.golden.mac_array import mac_array

KERNEL = (3, 2)


@pytest.mark.parametrize("m", [2, 4, 6, 8, 64])
@pytest.mark.parametrize("channels", [1, 2, 7, 8, 17, 40])
@pytest.mark.parametrize("name", ["binaryxbinary", "int8xbinary"])
def test_sums_of_the_array(name: str, channels: int, m: int) -> None:
    product = PRODUCTS[name]
    chance = np.random.default_rng(m * channels)
    source = MapLayout(p=1, m=m, height=1, width=1, channels=channels, format=product.activations.name)
    weights = chance.choice(np.array([-1, 1], np.int8), (3, *KERNEL, channels))
    low, high = product.activations.low, product.activations.high
    values = chance.choice(np.array([low, high, low + 2 * int(chance.integers(2)), 1], np.int8), (*KERNEL, channels))
    rows = packed_weights(weights, product, source).reshape(3, -1, m)
    stored = product.activations.pack(values)
    words = np.zeros((*KERNEL, source.words * m), np.uint8)
    words[..., : stored.shape[-1]] = stored  # bytes behind the last channel are masked
    sums = np.zeros(3, np.int64)
    for position, word in enumerate(words.reshape(-1, m)):
        sums += mac_array(word[None].view(np.int8), rows[:, position].view(np.int8), product, paired=True)
    dots = (weights.astype(np.int64) * values).reshape(3, -1).sum(1)
    if product.counts:
        dots = (dots + values.size) // 2
    assert (sums - dots == surplus(rows, product).sum(1)).all()
    assert (sums - dots == layer_surplus(weights, product)).all()


@pytest.mark.parametrize("name", ["binaryxbinary", "int8xbinary"])
def test_accumulators_hold_the_surplus(name: str) -> None:
    """The most one-sided weights: pairs that all differ, or none."""
    product = PRODUCTS[name]
    for pattern in ((1, 1), (-1, -1), (1, -1)):
        # Channels 0 and 8, or 0 and 1, are a pair.
        pairs = np.repeat(np.array([pattern], np.int8), 8, axis=1) if product.counts else np.array([pattern], np.int8)
        weights = np.tile(pairs.reshape(-1), 40 // 8).reshape(1, 1, 1, -1)
        layer = Convolution(
            name="conv", operator="Conv", input="x", output="y", weights=weights, bias=np.zeros(1, np.int64),
            requantization=FloatRequantization(scale=np.ones(1, np.float32), zero_point=0), product=name,
        )  # fmt: skip
        ends = product.activations.low, product.activations.high
        low, high = reachable_accumulators(layer, 0, ends)
        more = layer_surplus(weights, product)
        width = accumulator_width(layer, 0, ends, paired=True)
        assert -(1 << width - 1) <= int((low + more)[0]) and int((high + more)[0]) < 1 << width - 1
        assert width >= accumulator_width(layer, 0, ends)
        assert width <= accumulator_width(layer, 0, ends) + 1
