"""The promise for a layer that suits the array: a 3 x 3 convolution of 16 to 16 channels on a 16 x 16 map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.compiler.graph import Convolution, Graph, Tensor
from macaw.compiler.requantization import FloatRequantization
from macaw.hw.config import EngineConfig
from macaw.hw.emit import write_verilog
from macaw.hw.engine import Engine
from macaw.scripts.random_networks import run_network
from macaw.sim.core_simulation import CoreSimulation


@pytest.mark.parametrize("depth", [1, 4])
def test_convolution_keeps_the_array_busy(depth: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    config = EngineConfig(p=4, m=8, n=4, depth=depth, extent_width=6)
    graph = Graph(name="layer", source="", input="in", output="out", input_float=False)
    graph.input_shape = graph.output_shape = (1, 16, 16, 16)
    graph.input_order = graph.output_order = np.arange(16**3)
    for name in ("in", "out"):
        graph.tensors[name] = Tensor(name=name, shape=(16, 16, 16), scale=1.0, zero_point=0)
    graph.nodes.append(
        Convolution(
            name="conv",
            operator="Conv",
            input="in",
            output="out",
            weights=generator.integers(-127, 128, (16, 3, 3, 16)).astype(np.int8),
            bias=np.zeros(16, np.int64),
            requantization=FloatRequantization(scale=np.full(16, 1.7e-3, np.float32), zero_point=0),
            padding=(1, 1, 1, 1),
        )
    )
    write_verilog(Engine(config), tmp_path / "core.v", name="core")
    with CoreSimulation(tmp_path / "core.v", tmp_path) as core:
        outcome = run_network(core, config, graph, generator)
    products = 16 * 16 * 16 * 9 * 16
    assert products / (outcome.cycles * 4 * 8 * 4) >= 0.85
