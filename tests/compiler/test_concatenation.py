"""Tests of macaw.compiler.concatenation and rephasing: where parts lie, and which of them need a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from macaw.compiler.concatenation import ChannelPlace, channel_places, legalize, may_need_copies
from macaw.compiler.copy_layer import identity_convolution, with_copy
from macaw.compiler.graph import Add, Concat, Convolution, Graph, MaxPool, Node, Tensor
from macaw.compiler.network_plan import plan_network
from macaw.compiler.problem import ModelError
from macaw.compiler.rephasing import reading_strides, rephase
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.sim.golden_network import GoldenNetwork


def graph_of(nodes: list[Node], output: str, **channels: int) -> Graph:
    """A graph of 4 x 6 maps with this many channels; the input is ``x``."""
    graph = Graph(name="joined", source="test", input="x", output=output, nodes=nodes)
    for name, count in channels.items():
        graph.tensors[name] = Tensor(name=name, shape=(4, 6, count), scale=0.5, zero_point=3)
    return graph


def depthwise(source: str, target: str, channels: int, stride: int = 1) -> Convolution:
    node = identity_convolution(f"to {target}", source, target, channels, 3)
    return Convolution(**{**vars(node), "stride": (1, stride)})


def pool(source: str, target: str) -> MaxPool:
    return MaxPool(name=f"pool to {target}", operator="MaxPool", input=source, output=target, kernel=(1, 1))


def concat(target: str, *parts: str) -> Concat:
    return Concat(name=f"join to {target}", operator="Concat", input=parts[0], others=parts[1:], output=target)


def copies(graph: Graph) -> list[tuple[str, str]]:
    return [(node.input, node.output) for node in graph.nodes if node.operator == "Copy" and node.name.startswith("copy")]


def test_parts_lie_behind_each_other() -> None:
    graph = graph_of(
        [depthwise("x", "a", 5), pool("x", "b"), depthwise("x", "c", 5), concat("y", "b", "a", "c")], "y",
        x=5, a=5, b=5, c=5, y=15,
    )  # fmt: skip
    legal = legalize(graph, 5)
    assert copies(legal) == []
    places = channel_places(legal)
    assert places["b"] == ChannelPlace("y", 0)
    assert places["a"] == ChannelPlace("y", 5)
    assert places["c"] == ChannelPlace("y", 10)
    assert places["x"] == ChannelPlace("x", 0)


def test_a_max_pool_writes_whole_words() -> None:
    graph = graph_of([pool("x", "a"), pool("x", "b"), concat("y", "a", "b")], "y", x=6, a=6, b=6, y=12)
    assert copies(legalize(graph, 6)) == []
    assert copies(legalize(graph, 3)) == []
    assert copies(legalize(graph, 4)) == [("a", "a in y"), ("b", "b in y")]
    # The last part may fill its last word up.
    graph = graph_of([depthwise("x", "a", 8), pool("x", "b"), concat("y", "a", "b")], "y", x=6, a=8, b=6, y=14)
    assert copies(legalize(graph, 4)) == []


def test_a_part_with_other_readers_begins_with_a_word() -> None:
    nodes: list[Node] = [
        depthwise("x", "a", 6), depthwise("x", "b", 6), concat("y", "a", "b"), depthwise("b", "c", 6)
    ]  # fmt: skip
    graph = graph_of(nodes, "y", x=6, a=6, b=6, c=6, y=12)
    assert copies(legalize(graph, 3)) == []
    assert copies(legalize(graph, 4)) == [("b", "b in y")]


def test_parts_have_the_stride_of_the_whole() -> None:
    nodes: list[Node] = [
        depthwise("x", "a", 4), depthwise("x", "b", 4), concat("y", "a", "b"), depthwise("y", "z", 8, stride=2),
        depthwise("a", "c", 4, stride=2), depthwise("b", "d", 4),
    ]  # fmt: skip
    graph = graph_of(nodes, "z", x=4, a=4, b=4, c=4, d=4, y=8, z=8)
    assert copies(legalize(graph, 4)) == [("b", "b in y")]
    # The copy reads with stride 1, so a reader of stride 3 gets another.
    nodes[5] = depthwise("b", "d", 4, stride=3)
    assert copies(legalize(graph, 4)) == [("b", "b in y"), ("b", "b for stride 3")]


def test_input_and_twice_used_parts_are_copied() -> None:
    nodes: list[Node] = [depthwise("x", "a", 4), concat("y", "x", "a", "a"), concat("z", "a", "y")]
    graph = graph_of(nodes, "z", x=4, a=4, y=12, z=16)
    legal = legalize(graph, 4)
    assert sorted(copies(legal)) == [("a", "a in y"), ("a", "a in y from 12"), ("x", "x in y")]
    places = channel_places(legal)
    assert places["a"] == ChannelPlace("z", 0) and places["y"] == ChannelPlace("z", 4)
    assert places["x in y"] == ChannelPlace("z", 4) and places["a in y from 12"] == ChannelPlace("z", 12)


def test_one_stride_or_copies() -> None:
    nodes: list[Node] = [depthwise("x", "a", 4, 1), depthwise("x", "b", 4, 2), depthwise("x", "c", 4, 3), pool("x", "d")]
    graph = graph_of(nodes, "d", x=4, a=4, b=4, c=4, d=4)
    legal = rephase(graph)
    assert copies(legal) == [("x", "x for stride 2"), ("x", "x for stride 3")]
    assert all(len(strides) <= 1 for strides in reading_strides(legal).values())
    # Where there are max pools anyway, they copy.
    assert all(isinstance(node, MaxPool) for node in legal.nodes if node.operator == "Copy" and node.name[:4] == "copy")
    assert graph.nodes == nodes and "x for stride 2" not in graph.tensors
    single = graph_of(nodes[1:2], "b", x=4, b=4)
    assert rephase(single) is single and not may_need_copies(single) and may_need_copies(graph)


def test_copies_are_exact() -> None:
    """Every value comes back."""
    graph = with_copy(graph_of([depthwise("x", "a", 4)], "a", x=4, a=4))
    values = np.arange(-128, 128).astype(np.int8)
    inputs = np.resize(values, (11, 4, 6, 4))
    certified = requantize(graph, EngineConfig(p=1, m=1, n=1), strict=True)
    maps = GoldenNetwork(graph, certified).run(inputs)
    np.testing.assert_array_equal(maps["x copied"], inputs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 0.25}, "must have its output's scale and zero point"),
        ({"zero_point": 4}, "must have its output's scale and zero point"),
        ({"shape": (4, 5, 4)}, "must have one height and width"),
    ],
)
def test_unlike_parts(change: dict[str, Any], message: str) -> None:
    graph = graph_of([depthwise("x", "a", 4), concat("y", "x", "a")], "y", x=4, a=4, y=8)
    graph.tensors["a"] = Tensor(**{**vars(graph.tensors["a"]), **change})
    with pytest.raises(ModelError, match=message):
        legalize(graph, 4)


def test_addition_into_a_part() -> None:
    table = np.clip(np.add.outer(np.arange(-128, 128), np.arange(-128, 128)), -128, 127).astype(np.int8)
    add = Add(
        name="add", operator="Add", input="x", second="a", output="b", table=table, weights=(1.0, 1.0), zero_point=3
    )  # fmt: skip
    graph = graph_of([depthwise("x", "a", 5), add, concat("y", "a", "b")], "y", x=5, a=5, b=5, y=10)
    # The addition reads part a of the whole and writes part b of it.
    assert copies(legalize(graph, 4)) == []
    plan = plan_network(graph, 2, 4, 2)
    assert plan.part_pitch == 1
    assert plan.maps["a"].base == plan.maps["y"].base
    assert (plan.maps["b"].first_byte, plan.maps["b"].base) == (1, plan.maps["y"].base + plan.maps["y"].plane_words)
