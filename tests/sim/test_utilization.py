"""The promise for layers that suit the array: a 3 x 3 convolution of 16 to 16 channels on a 16 x 16 map, and in formats of few
bits one of 64 to 64 channels, as in CNV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.compiler.graph import Convolution, Graph, Tensor
from macaw.compiler.network_plan import plan_network
from macaw.compiler.number_formats import choose_formats, engine_formats
from macaw.compiler.requantization import FloatRequantization, ThresholdRequantization
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.hw.emit import write_verilog
from macaw.hw.engine import Engine
from macaw.hw.formats import FORMATS
from macaw.scripts.random_networks import run_plan, run_trial
from macaw.sim.core_simulation import CoreSimulation
from macaw.sim.trial import Trial


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
        values = generator.integers(-128, 128, (1, 16, 16, 16)).astype(np.int8)
        outcome = run_trial(core, Trial(config=config, graph=graph, values=values))
    products = 16 * 16 * 16 * 9 * 16
    assert products / (outcome.cycles * 4 * 8 * 4) >= 0.85


@pytest.mark.parametrize(("format_name", "m"), [("binary", 4), ("ternary", 4), ("int4", 4)])
def test_few_bits_keep_the_array_busy(format_name: str, m: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    number_format = FORMATS[format_name]
    low, high = (0, 1) if format_name == "binary" else (number_format.low, number_format.high)
    steps = np.arange(high - low)
    graph = Graph(name="layer", source="", input="in", output="out", input_float=False)
    graph.input_shape, graph.output_shape = (1, 18, 18, 64), (1, 16, 16, 64)
    graph.input_order, graph.output_order = np.arange(18 * 18 * 64), np.arange(16 * 16 * 64)
    graph.tensors["in"] = Tensor(name="in", shape=(18, 18, 64), scale=1.0, zero_point=0, format=format_name)
    graph.tensors["out"] = Tensor(name="out", shape=(16, 16, 64), scale=1.0, zero_point=0, format=format_name)
    members = np.array(number_format.members, np.int8)
    graph.nodes.append(
        Convolution(
            name="conv", operator="Conv", input="in", output="out",
            weights=generator.choice(members, (64, 3, 3, 64)).astype(np.int8),
            bias=np.zeros(64, np.int64), weight_format=format_name,
            requantization=ThresholdRequantization(
                low=low, high=high, thresholds=generator.integers(-60, 60, (64, 1)) + 40 * steps - 20 * steps[-1]
            ),
        )
    )  # fmt: skip
    graph = choose_formats(graph)
    formats = engine_formats(graph)
    assert formats.products == (f"{format_name}x{format_name}",)
    config = EngineConfig(
        p=2, m=m, n=8, extent_width=6, feature_depth=4096, weight_depth=2048, accumulator_width=16, multiplier_width=18,
        shifts=(8, 16), pooling=False,
        products=formats.products, output_formats=formats.output_formats,
    )  # fmt: skip
    write_verilog(Engine(config), tmp_path / "core.v", name="core")
    values = generator.choice(members, (1, 18, 18, 64)).astype(np.int8)
    plan = plan_network(graph, config.p, config.m, config.n)
    with CoreSimulation(tmp_path / "core.v", tmp_path) as core:
        outcome = run_plan(core, config, plan, requantize(graph, config), values)
    places = number_format.values(config.m)
    assert places == {"binary": 8 * m, "ternary": 4 * m, "int4": 2 * m}[format_name]
    assert 16 * 16 * 64 * 9 * 64 / (outcome.cycles * config.p * places * config.n) >= 0.85
