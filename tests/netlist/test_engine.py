# amaranth: UnusedElaboratable=no
"""Whole small engines as netlists: networks on them give the golden model's maps in the predicted cycles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.compiler.network_plan import plan_network
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.hw.engine import Engine
from macaw.hw.primitives.target import Family
from macaw.scripts.random_networks import run_plan
from macaw.sim.core_simulation import CoreSimulation
from macaw.sim.layered_network import layered_network
from macaw.sim.random_network import random_graph

_MEMORIES: dict[str, Any] = {"feature_depth": 1024, "weight_depth": 4096, "program_depth": 512, "tap_depth": 64, "extent_width": 6}
_NUMBERS: dict[str, Any] = {"accumulator_width": 26, "multiplier_width": 34, "shifts": (12, 20, 28, 36), "adding": True}
ENGINES = {
    Family.ECP5: EngineConfig(p=2, m=3, n=2, depth=2, **_MEMORIES, **_NUMBERS),
    Family.ICE40UP: EngineConfig(
        p=2, m=2, n=2, requantizer_digit=4, multiplier_latency=2, weight_memory="spram", prefetch=False, taps_in_program=True,
        **_MEMORIES, **_NUMBERS,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", list(ENGINES), ids=lambda family: family.value)
def test_networks(family: Family, tmp_path: Path, synthesized: Callable[[Family], Any]) -> None:
    """A network of convolution, pool and fully connected layer, and random ones with residual additions."""
    config = ENGINES[family]
    netlist = tmp_path / "core.v"
    netlist.write_text(synthesized(family)(Engine(config), "core"))
    generator = np.random.default_rng(2026)
    graphs = [layered_network("layers", (6, 5, 3), [(3, 5), "pool", 4]), *(random_graph(generator, adding=True) for _ in range(3))]
    with CoreSimulation(netlist, tmp_path) as core:
        for graph in graphs:
            plan = plan_network(graph, config.p, config.m, config.n)
            values = generator.integers(-128, 128, (1, *plan.graph.input_shape[1:])).astype(np.int8)
            outcome = run_plan(core, config, plan, requantize(plan.graph, config), values)
            assert outcome.cycles > 0
