"""Tests of macaw.compiler.number_formats: formats of maps, products of layers, what engines must know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from macaw.compiler.budget import Budget
from macaw.compiler.compilation import compile_graph
from macaw.compiler.graph import Concat, Convolution, Graph, MaxPool, Tensor
from macaw.compiler.number_formats import EngineFormats, choose_formats, engine_formats
from macaw.compiler.packed_weights import packed_weights
from macaw.compiler.problem import ModelError
from macaw.compiler.program import pad_byte
from macaw.compiler.requantization import BytePlanes, FloatRequantization, ThresholdRequantization
from macaw.hw.errors import UserError
from macaw.hw.formats import FORMATS
from macaw.hw.memory.map_layout import MapLayout
from macaw.hw.primitives.target import Family
from macaw.hw.products import PRODUCTS


def network(*layers: dict[str, Any], given: str = "int8", zero_point: int = 0, channels: int = 16) -> Graph:
    """Convolutions one behind the other; each with ``weights`` and ``output`` format, and ``padding`` or ``groups``."""
    graph = Graph(name="net", source="", input="map0", output=f"map{len(layers)}")
    graph.tensors["map0"] = Tensor(name="map0", shape=(6, 6, channels), scale=1.0, zero_point=zero_point, format=given)
    for number, layer in enumerate(layers):
        weights_in, target, groups = layer["weights"], layer.get("output", "int8"), layer.get("groups", 1)
        members = np.array(FORMATS[weights_in].members, np.int8)
        shape = (channels, 1, 1, channels // groups)
        rule: Any = FloatRequantization(scale=np.ones(channels, np.float32), zero_point=0)
        if target != "int8":
            low, high = (0, 1) if target == "binary" else (FORMATS[target].low, FORMATS[target].high)
            rule = ThresholdRequantization(low=low, high=high, thresholds=np.tile(np.arange(high - low), (channels, 1)))
        graph.nodes.append(
            Convolution(
                name=f"conv{number}", operator="Conv", input=f"map{number}", output=f"map{number + 1}",
                weights=np.resize(members, shape), bias=np.zeros(channels, np.int64), requantization=rule,
                padding=layer.get("padding", (0, 0, 0, 0)), groups=groups, weight_format=weights_in,
            )
        )  # fmt: skip
        graph.tensors[f"map{number + 1}"] = Tensor(
            name=f"map{number + 1}", shape=(6, 6, channels), scale=1.0, zero_point=layer.get("zero_point", 0), format=target
        )
    return graph


def products(graph: Graph) -> list[str]:
    """The products of the layers."""
    return [node.product for node in graph.nodes if isinstance(node, Convolution)]


def stored(graph: Graph) -> list[str]:
    """The formats of the maps."""
    return [graph.tensors[f"map{number}"].format for number in range(len(graph.tensors))]


def test_int8_networks_are_as_before() -> None:
    graph = network({"weights": "int8"}, {"weights": "int8"})
    assert products(choose_formats(graph)) == ["int8xint8"] * 2
    assert engine_formats(choose_formats(graph)) == EngineFormats()


@pytest.mark.parametrize(
    ("given", "weights", "product"),
    [
        ("binary", "binary", "binaryxbinary"), ("binary", "ternary", "ternaryxternary"),
        ("ternary", "binary", "ternaryxternary"), ("ternary", "ternary", "ternaryxternary"),
        ("binary", "int4", "int4xint4"), ("int4", "binary", "int4xint4"), ("int4", "int4", "int4xint4"),
        ("int8", "binary", "int8xbinary"), ("int8", "ternary", "int8xternary"), ("int8", "int4", "int8xint8"),
        ("binary", "int8", "int8xint8"), ("int8", "int8", "int8xint8"),
    ],
)  # fmt: skip
def test_pairs(given: str, weights: str, product: str) -> None:
    graph = choose_formats(network({"weights": weights}, given=given))
    assert products(graph) == [product]
    assert graph.tensors["map0"].format == product.split("x")[0]


def test_a_map_is_stored_for_its_most_demanding_reader() -> None:
    graph = network({"weights": "binary", "output": "binary"}, {"weights": "ternary", "output": "binary"}, given="binary")
    chosen = choose_formats(graph)
    assert stored(chosen) == ["binary", "ternary", "binary"]
    rule = chosen.nodes[0].requantization  # type: ignore[attr-defined]
    assert (rule.low, rule.high) == (-1, 1)
    assert set(rule.outputs(np.arange(-9, 9), np.intp(3)).tolist()) == {-1, 1}
    assert chosen.nodes[1].requantization == graph.nodes[1].requantization  # type: ignore[attr-defined]
    assert engine_formats(chosen) == EngineFormats(
        products=("ternaryxternary", "binaryxbinary"), output_formats=("ternary", "binary")
    )
    assert engine_formats(chosen).lane_step == 8


def test_one_multiplier_serves_all_int8_maps() -> None:
    graph = network({"weights": "binary"}, {"weights": "ternary"})
    assert products(choose_formats(graph)) == ["int8xternary"] * 2
    graph = network({"weights": "binary"}, {"weights": "ternary"}, {"weights": "int8"})
    assert products(choose_formats(graph)) == ["int8xint8"] * 3


@pytest.mark.parametrize(
    ("zero_point", "channels", "format_name"),
    [(0, 16, "ternary"), (-1, 16, "binary"), (-1, 12, "binary"), (1, 16, "binary"), (1, 12, "ternary"), (-8, 16, "int4")],
)
def test_padding_must_be_a_value(zero_point: int, channels: int, format_name: str) -> None:
    graph = network({"weights": "binary", "padding": (1, 1, 1, 1)}, given="binary", zero_point=zero_point, channels=channels)
    assert choose_formats(graph).tensors["map0"].format == format_name


def test_groups_need_weights_of_zero() -> None:
    graph = choose_formats(network({"weights": "binary", "groups": 16}, given="binary"))
    assert products(graph) == ["ternaryxternary"]
    graph = choose_formats(network({"weights": "binary", "groups": 16}))
    assert products(graph) == ["int8xternary"]


def test_a_max_pool_keeps_the_format() -> None:
    graph = network({"weights": "binary", "output": "binary"}, {"weights": "ternary"}, given="binary")
    pool = MaxPool(name="pool", operator="MaxPool", input="map1", output="pooled", kernel=(2, 2))
    graph.tensors["pooled"] = replace(graph.tensors["map1"], name="pooled", shape=(5, 5, 16))
    graph.nodes = [graph.nodes[0], pool, replace(graph.nodes[1], input="pooled")]
    chosen = choose_formats(graph)
    assert (chosen.tensors["map1"].format, chosen.tensors["pooled"].format) == ("ternary", "ternary")


def test_parts_of_concatenations_are_bytes() -> None:
    graph = network({"weights": "binary", "output": "binary"}, {"weights": "binary", "output": "binary"}, given="binary")
    graph.nodes.append(Concat(name="join", operator="Concat", input="map1", others=("map2",), output="whole"))
    graph.tensors["whole"] = replace(graph.tensors["map1"], name="whole", shape=(6, 6, 32))
    chosen = choose_formats(graph)
    assert [chosen.tensors[name].format for name in ("map0", "map1", "map2", "whole")] == ["binary", "int8", "int8", "int8"]
    assert products(chosen) == ["binaryxbinary", "int8xint8"]  # a copy multiplies


def test_bytes_of_sums_wrap() -> None:
    graph = network({"weights": "binary"}, given="binary")
    planes = BytePlanes(shift=np.repeat([0, 8], 8))
    graph.nodes[0] = replace(graph.nodes[0], requantization=planes)  # type: ignore[call-arg]
    assert engine_formats(choose_formats(graph)).wrapping


@pytest.mark.parametrize(("claimed", "value"), [("binary", 0), ("ternary", 2), ("int4", 8)])
def test_weights_must_be_in_the_set_they_claim(claimed: str, value: int) -> None:
    graph = network({"weights": claimed})
    graph.nodes[0].weights[3, 0, 0, 2] = value  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=f"'conv0' .*its weights are said to be {claimed}, and {value} is no {claimed} value; q"):
        choose_formats(graph)


@pytest.mark.parametrize(
    ("name", "values", "low"),
    [("binary", (-1, 1), 0b10), ("ternary", (-1, 1), 0b0111), ("int4", (1, -7), 0x91), ("int8", (3, -2), 0xFE03)],
)
def test_the_first_weight_is_in_the_lowest_bits(name: str, values: tuple[int, int], low: int) -> None:
    product = PRODUCTS[f"{name}x{name}"]
    source = MapLayout(p=1, m=4, height=1, width=1, channels=2, format=name)
    packed = packed_weights(np.array(values, np.int8).reshape(1, 1, 1, 2), product, source)
    bits, width = int.from_bytes(packed.tobytes(), "little"), 2 * product.activations.width
    assert bits & (1 << width) - 1 == low
    assert bits >> width == ((1 << 32 - width) - 1 if name == "binary" else 0)  # never equal to the code 0 there


def test_narrow_weights_of_bytes() -> None:
    source = MapLayout(p=1, m=4, height=1, width=1, channels=3)
    weights = np.array([-1, 1, -1], np.int8).reshape(1, 1, 1, 3)
    assert packed_weights(weights, PRODUCTS["int8xbinary"], source).tolist() == [[[[0x80, 0x7F, 0x80, 0x3F]]]]
    assert packed_weights(weights, PRODUCTS["int8xternary"], source).tolist() == [[[[3, 1, 3, 0]]]]


@pytest.mark.parametrize(
    ("name", "zero_point", "byte", "lowest"),
    [("int8", -3, 0xFD, 0x80), ("int4", -8, 0x88, 0x88), ("ternary", -1, 0xFF, 0xAA), ("binary", 1, 0xFF, 0), ("binary", -1, 0, 0)],
)
def test_padding_is_a_code_at_every_place(name: str, zero_point: int, byte: int, lowest: int) -> None:
    tensor = Tensor(name="map", shape=(1, 1, 1), scale=1.0, zero_point=zero_point, format=name)
    assert pad_byte(tensor, pooling=False) == byte
    assert pad_byte(tensor, pooling=True) == lowest


def test_an_array_whose_lanes_do_not_fill_bytes_is_refused() -> None:
    graph = network({"weights": "binary", "output": "binary"}, given="binary")
    graph.input_shape = graph.output_shape = (1, 6, 6, 16)
    graph.input_order = graph.output_order = np.arange(6 * 6 * 16)
    budget = Budget(
        name="test", family=Family.ECP5, luts=9000, choice_luts=9000, block_rams=60, multipliers=60, single_port_rams=0,
        multiplier_latency=3, requantizer_digit=0, weight_memory="block",
    )  # fmt: skip
    with pytest.raises(UserError, match="n = 4 cannot write binary maps: .* so n must be a multiple of 8"):
        compile_graph(graph, budget, array=(2, 4, 4))
    assert compile_graph(graph, budget).config.n % 8 == 0
