"""Random networks of binary, ternary, int4 and int8 maps and weights: RTL = golden model = cycle model, and the golden model
equals the layers' own formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.compiler.certified_addition import CertifiedAddition
from macaw.compiler.graph import Add, Concat, Convolution, MaxPool
from macaw.compiler.number_formats import choose_formats, engine_formats
from macaw.compiler.requantize import requantize
from macaw.hw.formats import FORMATS
from macaw.scripts.random_networks import run_packed_engine
from macaw.sim.golden.convolution import convolution
from macaw.sim.golden.max_pool import max_pool
from macaw.sim.golden_network import GoldenNetwork
from macaw.sim.random_packed_network import random_packed_engine, random_packed_graph

NETWORKS = 6


@pytest.mark.parametrize(
    ("seed", "formats", "joining"),
    [
        pytest.param(36, ("binary", "int8"), False, marks=pytest.mark.slow),
        (38, ("binary", "ternary", "int8"), True),
        (13, ("int4", "int8"), False),
        (22, tuple(FORMATS), True),  # with all products
    ],
)
def test_random_engine(seed: int, formats: tuple[str, ...], joining: bool, tmp_path: Path) -> None:
    outcomes = list(run_packed_engine(seed, tmp_path, networks=NETWORKS, formats=formats, largest=2, joining=joining))
    assert len(outcomes) == NETWORKS


@pytest.mark.parametrize("seed", range(40))
def test_golden_model_is_what_the_graph_says(seed: int) -> None:
    generator = np.random.default_rng(seed)
    graph = random_packed_graph(generator, sums=seed % 2 == 1, joining=seed % 4 >= 2)
    chosen = choose_formats(graph)
    config = random_packed_engine(generator, engine_formats(chosen), joining=True)
    certified = requantize(chosen, config)
    tensor = graph.tensors[graph.input]
    values = generator.choice(np.array(FORMATS[tensor.format].members, np.int8), (2, *tensor.shape)).astype(np.int8)
    found = GoldenNetwork(chosen, certified).run(values)
    maps = {graph.input: values}
    for node in graph.nodes:
        zero_point, target = graph.tensors[node.input].zero_point, graph.tensors[node.output]
        if isinstance(node, MaxPool):
            maps[node.output] = max_pool(maps[node.input], node.kernel, stride=node.stride, padding=node.padding)
            continue
        if isinstance(node, Concat):
            maps[node.output] = np.concatenate([maps[name] for name in node.inputs], axis=-1)
            continue
        if isinstance(node, Add):
            wanted = node.table[maps[node.input].astype(int) + 128, maps[node.second].astype(int) + 128].astype(np.int64)
            rule = certified[node.output]
            assert isinstance(rule, CertifiedAddition)
            assert np.abs(wanted - found[node.output]).max(initial=0) <= rule.largest_difference
            maps[node.output] = found[node.output]
            continue
        assert isinstance(node, Convolution)
        sums = convolution(
            maps[node.input], node.weights, stride=node.stride, padding=node.padding, dilation=node.dilation,
            groups=node.groups, pad_value=zero_point,
        )  # fmt: skip
        sums = sums - zero_point * node.weights.astype(np.int64).sum(axis=(1, 2, 3))
        outputs = node.requantization.outputs(sums + node.bias, np.arange(len(node.bias)))
        maps[node.output] = (2 * outputs - 1 if target.format == "binary" else outputs).astype(np.int8)
        assert set(np.unique(maps[node.output]).tolist()) <= set(FORMATS[target.format].members)
        difference = np.abs(maps[node.output].astype(np.int64) - found[node.output])
        # Ties of float32 may have no exact line; everything else is equal.
        assert difference.max(initial=0) <= int(not certified[node.output].exact)
        maps[node.output] = found[node.output]
