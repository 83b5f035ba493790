"""Tests of macaw.compiler.network_plan: maps in the place of others, tiles of rows, gaps between planes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from macaw.compiler.graph import Convolution, Graph, MaxPool, Tensor
from macaw.compiler.network_plan import network_plans, plan_network
from macaw.compiler.requantization import FloatRequantization

PIXELS, CHANNELS = (25, 5), 64


def append(graph: Graph, kernel: tuple[int, int], outputs: int, *, groups: int = 1, padded: bool = True) -> None:
    """A convolution of the last map, of stride 1 and padded to its size if ``padded``."""
    source = graph.output
    height, width, channels = graph.tensors[source].shape
    target = f"map{len(graph.nodes) + 1}"
    top, left = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2) if padded else (0, 0)
    graph.nodes.append(
        Convolution(
            name=target, operator="Conv", input=source, output=target,
            weights=np.ones((outputs, *kernel, channels // groups), np.int8), bias=np.zeros(outputs, np.int64),
            requantization=FloatRequantization(
                scale=np.full(outputs, 0.01, np.float32), zero_point=0, low=-128, high=127
            ),
            padding=(top, left, kernel[0] - 1 - top, kernel[1] - 1 - left) if padded else (0, 0, 0, 0), groups=groups,
        )
    )  # fmt: skip
    shape = (height, width, outputs) if padded else (height - kernel[0] + 1, width - kernel[1] + 1, outputs)
    graph.tensors[target] = Tensor(name=target, shape=shape, scale=1.0, zero_point=0)
    graph.output = target


def keyword_spotting() -> Graph:
    """The geometry of MLPerf Tiny's keyword spotting behind its first layer's folded input."""
    graph = Graph(name="keywords", source="test", input="map0", output="map0")
    graph.tensors["map0"] = Tensor(name="map0", shape=(*PIXELS, 4), scale=1.0, zero_point=0)
    append(graph, (5, 2), CHANNELS)
    for _ in range(4):
        append(graph, (3, 3), CHANNELS, groups=CHANNELS)
        append(graph, (1, 1), CHANNELS)
    append(graph, PIXELS, CHANNELS, groups=CHANNELS, padded=False)
    append(graph, (1, 1), 12)
    return graph


def test_two_maps_for_a_chain() -> None:
    plan = plan_network(keyword_spotting(), 2, 4, 2)
    assert plan.feature_words == 2 * 16 * 25 * 3
    assert plan.descriptors == 11


def test_one_map_and_a_little_for_a_chain_of_depthwise_and_pointwise_layers() -> None:
    """A pitch of two rows more a plane for tiles of two rows, and a plane for the depthwise layers, whose planes are read
    twice with n = 2 and m = 4."""
    plan = plan_network(keyword_spotting(), 2, 4, 2, in_place=True, tile_rows=2)
    plane = (25 + 2) * 3
    assert plan.feature_words <= 16 * plane + plane
    tiled = [layer for layer in plan.layers if len(layer.tiles) > 1]
    assert [layer.node.output for layer in tiled] == ["map3", "map5", "map7", "map9"]
    for layer in tiled:
        rows = sorted((tile.first, tile.rows) for tile in layer.tiles)
        assert rows == [(first, min(2, 25 - first)) for first in range(0, 25, 2)]
        assert abs(plan.maps[layer.node.output].base - plan.maps[layer.node.input].base) % plane in (6, plane - 6)
    assert plan.descriptors == 7 + 4 * 13


def test_plans_need_less_and_less_memory() -> None:
    plans = list(network_plans(keyword_spotting(), 2, 4, 2))
    words = [plan.feature_words for plan in plans]
    assert len(plans) > 4 and all(later < earlier for earlier, later in pairwise(words))
    assert min(words) < 0.6 * words[0]
    assert all(earlier.descriptors <= later.descriptors for earlier, later in pairwise(plans))


def test_tiles_below_the_padding_share_their_taps() -> None:
    """A kernel of three rows: the first tile reaches padding above, the others do not; their rows above are input."""
    graph = Graph(name="tiles", source="test", input="map0", output="map0")
    graph.tensors["map0"] = Tensor(name="map0", shape=(12, 8, 32), scale=1.0, zero_point=0)
    append(graph, (3, 3), 32)
    append(graph, (3, 3), 32)
    plan = plan_network(graph, 2, 4, 4, in_place=True, tile_rows=3)
    tiles = plan.layers[0].tiles
    assert len(tiles) == 4 and plan.tap_count == 18
    for tile in tiles:
        assert tile.input_row == max(tile.first - 1, 0)
        assert [tap.row for tap in tile.taps[::3]] == ([-1, 0, 1] if tile.first == 0 else [0, 1, 2])
    assert plan.feature_words < plan_network(graph, 2, 4, 4).feature_words


@pytest.mark.parametrize("in_place", [False, True])
def test_what_outlives_a_layer_is_not_overwritten(in_place: bool) -> None:
    """The pool's input is read again, so its output lies elsewhere; the second pool's may lie in its place, as the first stays."""
    graph = Graph(name="pools", source="test", input="map0", output="map1")
    for name in ("map0", "map1", "map2"):
        graph.tensors[name] = Tensor(name=name, shape=(6, 6, 8), scale=1.0, zero_point=0)
    for number in (1, 2):
        graph.nodes.append(
            MaxPool(
                name=f"pool{number}", operator="MaxPool", input="map0", output=f"map{number}", kernel=(3, 3),
                padding=(1, 1, 1, 1),
            )
        )  # fmt: skip
    maps = plan_network(graph, 2, 4, 2, in_place=in_place).maps
    assert abs(maps["map1"].base - maps["map0"].base) >= maps["map0"].size
    assert (abs(maps["map2"].base - maps["map0"].base) < maps["map0"].size) == in_place
