"""Input folding: the folded network computes the same, and the foldings on offer are the cheapest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from macaw.compiler.graph import Convolution, Graph, MaxPool, Tensor
from macaw.compiler.input_folding import fold_input, foldings
from macaw.compiler.network_plan import plan_network
from macaw.compiler.requantization import FloatRequantization
from macaw.sim.golden.convolution import convolution
from macaw.sim.golden_network import quantize_input


def first_layer(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    outputs: int,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    zero_point: int = 83,
    seed: int = 1,
) -> Graph:
    """A network of one convolution, with random weights, whose input is stored in a random order."""
    generator = np.random.default_rng(seed)
    extents = [
        (shape[axis] + padding[axis] + padding[axis + 2] - (kernel[axis] - 1) * dilation[axis] - 1) // stride[axis] + 1
        for axis in (0, 1)
    ]
    node = Convolution(
        name="first", operator="Conv", input="in", output="out",
        weights=generator.integers(-127, 128, (outputs, *kernel, shape[2] // groups)).astype(np.int8),
        bias=np.zeros(outputs, np.int64),
        requantization=FloatRequantization(scale=np.full(outputs, 1e-3, np.float32), zero_point=0),
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip
    graph = Graph(name="net", source="", input="in", output="out", nodes=[node], input_float=False)
    graph.tensors = {
        "in": Tensor(
            name="in", shape=shape, scale=1.0, zero_point=zero_point, reference="x", reference_shape=(1, *shape)
        ),
        "out": Tensor(name="out", shape=(extents[0], extents[1], outputs), scale=1.0, zero_point=0),
    }
    graph.input_shape = (1, int(np.prod(shape)))
    graph.input_order = generator.permutation(int(np.prod(shape)))
    return graph


def sums(graph: Graph, x: np.ndarray) -> np.ndarray:
    node = graph.nodes[0]
    assert isinstance(node, Convolution)
    return convolution(
        quantize_input(graph, x), node.weights, stride=node.stride, padding=node.padding, dilation=node.dilation,
        groups=node.groups, pad_value=graph.tensors["in"].zero_point,
    )  # fmt: skip


GEOMETRIES = {
    "keyword spotting": first_layer((49, 10, 1), (10, 4), 8, stride=(2, 2), padding=(4, 1, 5, 1)),
    "visual wake words": first_layer((24, 24, 3), (3, 3), 8, stride=(2, 2), padding=(0, 0, 1, 1)),
    "odd strides and dilations": first_layer((23, 17, 2), (5, 4), 6, stride=(3, 2), padding=(3, 2, 1, 4), dilation=(2, 3)),
    "depthwise": first_layer((12, 9, 6), (3, 5), 12, stride=(2, 1), padding=(1, 2, 1, 2), groups=6),
    "one row": first_layer((1, 64, 1), (1, 7), 5, stride=(1, 2), padding=(0, 3, 0, 2)),
    "more padding than map": first_layer((2, 2, 1), (3, 3), 3, padding=(3, 3, 3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_folding_computes_the_same_sums(name: str) -> None:
    graph = GEOMETRIES[name]
    node = graph.nodes[0]
    assert isinstance(node, Convolution)
    x = np.random.default_rng(2).integers(-128, 128, (3, graph.input_shape[1])).astype(np.int8)
    wanted = sums(graph, x)
    for rows in range(1, node.weights.shape[1] + 1):
        for columns in range(1, node.weights.shape[2] + 1):
            folded = fold_input(graph, rows, columns)
            np.testing.assert_array_equal(sums(folded, x), wanted)
            assert len(folded.input_order) == np.prod(folded.tensors["in"].shape)
            first = folded.nodes[0]
            assert isinstance(first, Convolution)
            assert first.products_per_output == node.weights[0].size
    assert graph.nodes[0] is node


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("array", [(1, 8, 4), (5, 8, 8), (4, 3, 2), (2, 1, 3)])
def test_costs_are_those_of_the_plan(name: str, array: tuple[int, int, int]) -> None:
    graph = GEOMETRIES[name]
    steps = plan_network(graph, *array).layers[0].weight_words
    offered = foldings(graph, *array)
    for folding in offered:
        plan = plan_network(fold_input(graph, folding.rows, folding.columns), *array).layers[0]
        assert folding.steps == plan.weight_words < steps
        assert folding.feature_bytes == plan.input.size * array[0] * array[1]
        assert folding.host_bytes == np.prod(plan.input.height * plan.input.width * plan.input.channels)
    node = graph.nodes[0]
    assert isinstance(node, Convolution)
    every = [
        plan_network(fold_input(graph, rows, columns), *array).layers[0].weight_words
        for rows in range(1, node.weights.shape[1] + 1)
        for columns in range(1, node.weights.shape[2] + 1)
    ]
    assert min([*every, steps]) == (offered[0].steps if offered else steps)
    assert [item.feature_bytes for item in offered] == sorted((item.feature_bytes for item in offered), reverse=True)


def test_a_keyword_spotter_s_first_layer_takes_one_step_for_each_word() -> None:
    assert [folding.steps for folding in foldings(GEOMETRIES["keyword spotting"], 5, 8, 8)][0] == 5
    assert foldings(GEOMETRIES["keyword spotting"], 5, 1, 8) == []


def test_padding_is_the_zero_point() -> None:
    graph = first_layer((3, 3, 1), (3, 3), 1, padding=(1, 1, 1, 1), zero_point=-7)
    folded = fold_input(graph, 3, 3)
    packed = quantize_input(folded, np.full((1, 9), 50, np.int8))
    assert packed.shape == (1, 3, 3, 9)
    assert packed[0, 0, 0].tolist() == [-7, -7, -7, -7, 50, 50, -7, 50, 50]
    assert (folded.input_order == -1).sum() == (packed == -7).sum() == 81 - 49


def test_other_first_layers_are_left_alone() -> None:
    graph = GEOMETRIES["visual wake words"]
    pool = MaxPool(name="pool", operator="MaxPool", input="in", output="pooled", kernel=(2, 2))
    second = replace(graph, nodes=[graph.nodes[0], pool])
    alone = replace(graph, nodes=[pool])
    for network in (second, alone):
        assert foldings(network, 4, 8, 4) == []
        with pytest.raises(ValueError, match="not read by one convolution only"):
            fold_input(network, 3, 3)
