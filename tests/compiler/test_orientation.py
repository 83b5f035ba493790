"""A turned network computes the same; its maps are the old ones with rows and columns exchanged."""

from __future__ import annotations

import numpy as np
import pytest

from macaw.compiler.graph import Convolution, Node
from macaw.compiler.input_folding import first_layer, fold_input
from macaw.compiler.orientation import turn
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.sim.golden_network import GoldenNetwork, model_output, quantize_input
from macaw.sim.random_network import random_graph

CONFIG = EngineConfig(p=1, m=1, n=1, accumulator_width=26, multiplier_width=34, shifts=(12, 20, 28, 36), adding=True)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed: int) -> None:
    generator = np.random.default_rng(seed)
    graph = random_graph(generator, 4)
    graph.input_order = generator.permutation(graph.input_order)
    graph.output_order = generator.permutation(graph.output_order)
    turned = turn(graph)
    certified = requantize(graph, CONFIG)
    x = generator.integers(-128, 128, (2, *graph.input_shape[1:])).astype(np.int8)
    wanted = GoldenNetwork(graph, certified).run(quantize_input(graph, x))
    found = GoldenNetwork(turned, certified).run(quantize_input(turned, x))
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values.transpose(0, 2, 1, 3))
        assert turned.tensors[name].transposed and not graph.tensors[name].transposed
    output = model_output(graph, wanted[graph.output])
    np.testing.assert_array_equal(model_output(turned, found[graph.output]), output)

    if (node := first_layer(turned)) is not None:
        folded = fold_input(turned, node.weights.shape[1], 1)
        maps = GoldenNetwork(folded, certified).run(quantize_input(folded, x))
        np.testing.assert_array_equal(model_output(folded, maps[graph.output]), output)


@pytest.mark.parametrize("seed", range(4))
def test_twice_is_as_before(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 4)
    again = turn(turn(graph))
    assert again.tensors == graph.tensors
    np.testing.assert_array_equal(again.input_order, graph.input_order)
    np.testing.assert_array_equal(again.output_order, graph.output_order)
    for node, old in zip(again.nodes, graph.nodes, strict=True):
        if isinstance(node, Convolution) and isinstance(old, Convolution):
            np.testing.assert_array_equal(node.weights, old.weights)
            assert (node.stride, node.padding, node.dilation) == (old.stride, old.padding, old.dilation)
        else:
            assert node == old


def test_a_node_that_cannot_be_turned_is_named() -> None:
    graph = random_graph(np.random.default_rng(1))
    graph.nodes.append(Node(name="odd", operator="Odd", input=graph.output, output="other"))
    with pytest.raises(TypeError, match="a Node cannot be turned"):
        turn(graph)
