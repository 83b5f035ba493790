# amaranth: UnusedElaboratable=no
"""Whole small engines as netlists: networks on them give the golden model's maps in the predicted cycles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.compiler.network_plan import plan_network
from macaw.compiler.number_formats import engine_formats
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.hw.engine import Engine
from macaw.hw.formats import FORMATS
from macaw.hw.primitives.target import Family
from macaw.hw.products import PRODUCTS
from macaw.scripts.random_networks import run_plan, run_trial
from macaw.sim.core_simulation import CoreSimulation
from macaw.sim.layered_network import layered_network
from macaw.sim.random_network import random_graph
from macaw.sim.random_packed_network import random_packed_graph
from macaw.sim.trial import Trial

_MEMORIES: dict[str, Any] = {"feature_depth": 1024, "weight_depth": 4096, "program_depth": 512, "tap_depth": 64, "extent_width": 6}
_NUMBERS: dict[str, Any] = {"accumulator_width": 26, "multiplier_width": 34, "shifts": (12, 20, 28, 36), "adding": True}
ENGINES = {
    Family.ECP5: EngineConfig(p=2, m=3, n=2, depth=2, **_MEMORIES, **_NUMBERS),
    Family.ICE40UP: EngineConfig(
        p=2, m=2, n=2, requantizer_digit=4, multiplier_latency=2, weight_memory="spram", prefetch=False, taps_in_program=True,
        **_MEMORIES, **_NUMBERS,
    ),
}  # fmt: skip

_FEW_BITS: dict[str, Any] = {
    "feature_depth": 1024, "weight_depth": 1024, "program_depth": 256, "tap_depth": 128, "extent_width": 6,
    "accumulator_width": 24, "multiplier_width": 34, "shifts": (6, 12, 18, 24, 30, 36, 42), "wrapping": True,
    "output_formats": tuple(FORMATS),
}  # fmt: skip
PACKED_ENGINES = {
    Family.ECP5: EngineConfig(p=2, m=2, n=8, depth=2, products=tuple(PRODUCTS), adding=True, part_pitch=1, **_FEW_BITS),
    Family.ICE40UP: EngineConfig(
        p=1, m=2, n=8, products=tuple(name for name in PRODUCTS if name != "int8xint8"), requantizer_digit=1,
        multiplier_latency=2, prefetch=False, taps_in_program=True, **_FEW_BITS,
    ),
}  # fmt: skip
"""All products; the iCE40's engine has no multipliers for its array."""
PACKED_NETWORKS = 12


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


def _packed_trials(config: EngineConfig, generator: np.random.Generator) -> list[Trial]:
    """Random networks of few bits that the engine knows all of; together they need each of its products."""
    trials: list[Trial] = []
    missing = set(config.products)
    while missing or len(trials) < PACKED_NETWORKS:
        graph = random_packed_graph(generator, 3, sums=len(trials) % 2 == 1, joining=config.adding)
        tensor = graph.tensors[graph.input]
        values = generator.choice(np.array(FORMATS[tensor.format].members, np.int8), (1, *tensor.shape)).astype(np.int8)
        trial = Trial(config=config, graph=graph, values=values, in_place=len(trials) % 3 == 1)
        products = set(engine_formats(trial.rewritten).products)
        if trial.legal and (len(trials) < PACKED_NETWORKS or products & missing):
            trials.append(trial)
            missing -= products
    return trials


@pytest.mark.slow
@pytest.mark.parametrize("family", list(PACKED_ENGINES), ids=lambda family: family.value)
def test_networks_of_few_bits(family: Family, tmp_path: Path, synthesized: Callable[[Family], Any]) -> None:
    """Random networks of binary, ternary, int4 and int8 maps and weights, through all products."""
    config = PACKED_ENGINES[family]
    netlist = tmp_path / "core.v"
    netlist.write_text(synthesized(family)(Engine(config), "core"))
    with CoreSimulation(netlist, tmp_path) as core:
        for trial in _packed_trials(config, np.random.default_rng(2026)):
            assert run_trial(core, trial).cycles > 0
