"""A stride that is never walked changes nothing but the layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from macaw.compiler.graph import Convolution, Graph, Tensor
from macaw.compiler.idle_strides import drop_idle_strides
from macaw.compiler.requantization import FloatRequantization
from macaw.sim.golden.convolution import convolution


def pooled(rows: int, columns: int, stride: tuple[int, int]) -> Graph:
    node = Convolution(
        name="pool", operator="AveragePool", input="in", output="out", weights=np.ones((3, 5, 4, 1), np.int8),
        bias=np.zeros(3, np.int64), requantization=FloatRequantization(scale=np.full(3, 0.05, np.float32), zero_point=0),
        stride=stride, groups=3,
    )  # fmt: skip
    shape = (5 + (rows - 1) * stride[0], 4 + (columns - 1) * stride[1], 3)
    graph = Graph(name="net", source="", input="in", output="out", nodes=[node])
    graph.tensors = {
        "in": Tensor(name="in", shape=shape, scale=1.0, zero_point=0),
        "out": Tensor(name="out", shape=(rows, columns, 3), scale=1.0, zero_point=0),
    }
    return graph


@pytest.mark.parametrize(
    ("rows", "columns", "wanted"), [(1, 1, (1, 1)), (1, 3, (1, 4)), (2, 1, (5, 1)), (2, 3, (5, 4))]
)
def test_only_idle_strides_go(rows: int, columns: int, wanted: tuple[int, int]) -> None:
    graph = pooled(rows, columns, (5, 4))
    old, new = graph.nodes[0], drop_idle_strides(graph).nodes[0]
    assert isinstance(old, Convolution) and isinstance(new, Convolution)
    assert new.stride == wanted
    assert replace(new, stride=(5, 4), weights=old.weights).name == old.name
    x = np.random.default_rng(1).integers(-128, 128, (1, *graph.tensors["in"].shape)).astype(np.int8)
    before = convolution(x, old.weights, stride=old.stride, groups=3)
    np.testing.assert_array_equal(convolution(x, new.weights, stride=new.stride, groups=3), before)


@pytest.mark.parametrize(("uncovered", "wanted"), [(0, 1), (1, 2), (2, 3), (3, 4)])
def test_a_second_window_never_fits(uncovered: int, wanted: int) -> None:
    graph = pooled(1, 1, (5, 4))
    graph.tensors["in"] = replace(graph.tensors["in"], shape=(5, 4 + uncovered, 3))
    (new,) = drop_idle_strides(graph).nodes
    assert isinstance(new, Convolution)
    assert new.stride == (1, wanted)
    x = np.zeros((1, *graph.tensors["in"].shape), np.int8)
    assert convolution(x, new.weights, stride=new.stride, groups=3).shape == (1, 1, 1, 3)
