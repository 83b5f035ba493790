# amaranth: UnusedElaboratable=no

"""Whole engines whose maps do not fit on the chip: RTL = golden model, tile by tile; cycles and words of the external memory =
model; a memory that returns other rows than it was given ends in a status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from macaw.boards.accelerator import Accelerator, Images
from macaw.boards.catalog import find_board
from macaw.boards.harness import SDRAM_PIN_DELAY
from macaw.compiler.compilation import compile_graph
from macaw.compiler.concatenation import legalize
from macaw.compiler.graph import Convolution, Graph
from macaw.compiler.map_spilling import MapSpiller
from macaw.compiler.network_plan import MapPlanner, plan_network
from macaw.compiler.program import Program, assemble
from macaw.compiler.requantization import FloatRequantization
from macaw.compiler.requantize import requantize
from macaw.compiler.weight_streaming import WeightPlan, plan_weights, streamed_cycles, weight_plans
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.scripts.build_folder import board_budget
from macaw.sim.core_simulation import CoreSimulation
from macaw.sim.cost.cycles import LayerCycles, program_cycles
from macaw.sim.cost.external_memory import ExternalMemory, IdealMemory, Sdram
from macaw.sim.golden_network import GoldenNetwork
from macaw.sim.growing_graph import GrowingGraph
from macaw.sim.layered_network import layered_network
from macaw.sim.random_network import random_graph
from macaw.sim.streaming_system import with_ideal_memory, with_sdram

CLOCK_HZ = 75_000_000
SDRAM = Sdram(cycles=MT48LC16M16.cycles(CLOCK_HZ), pin_delay=SDRAM_PIN_DELAY)
ENGINE = EngineConfig(
    p=2, m=4, n=2, feature_depth=512, weight_depth=384, program_depth=4096, tap_depth=1024, extent_width=6,
    accumulator_width=26, multiplier_width=34, shifts=(12, 20, 28, 36), adding=True, part_pitch=1, streaming=True, spilling=True,
)  # fmt: skip
OTHER = replace(ENGINE, p=3, m=5, n=3, depth=2, prefetch=False)


@dataclass
class Network:
    """A network on an engine."""

    program: Program
    golden: GoldenNetwork
    layers: tuple[LayerCycles, ...]

    @property
    def cycles(self) -> int:
        """What the cycle counter will show."""
        return program_cycles(self.program.config, self.layers)


def spilled(graph: Graph, config: EngineConfig, memory: ExternalMemory, share: float, largest: float, which: int = 0) -> Network | None:
    """A network with ``share`` of the addresses that its maps need without spilling; None if that cannot be."""
    planner = MapPlanner(legalize(graph, config.m), config.p, config.m, config.n)
    capacity = min(int(share * plan_network(graph, config.p, config.m, config.n).feature_words), config.feature_depth)
    spiller = MapSpiller(planner, config, memory.word_cycles)
    plan = spiller.plan(capacity, int(largest * capacity), config.weight_depth, weights_first=which % 2 > 0)
    if plan is None or not plan.spilled:
        return None
    ways = weight_plans(plan, config.parameter_words, config.weight_depth)
    return network(config, ways[which % len(ways)], memory) if ways else None


def network(config: EngineConfig, weights: WeightPlan, memory: ExternalMemory) -> Network | None:
    graph = weights.network.graph
    certified = requantize(graph, config)
    program = assemble(config, weights.network, certified, weights)
    if len(program.program) > config.program_depth:
        return None
    return Network(program, GoldenNetwork(graph, certified), streamed_cycles(config, weights, memory))


def system(config: EngineConfig, memory: ExternalMemory, folder: Path) -> CoreSimulation:
    """The RTL with its memory."""
    if isinstance(memory, IdealMemory):
        return with_ideal_memory(config, memory, folder)
    return with_sdram(config, MT48LC16M16, CLOCK_HZ, SDRAM_PIN_DELAY, folder)


def loaded(core: CoreSimulation, given: Network) -> Accelerator:
    """The engine with a network in it."""
    program = given.program
    engine = Accelerator(core, program.config, program.maps, spilled=program.spilled, wait=lambda: core.wait(50_000_000))
    engine.check_identity()
    engine.load(Images(program.program, program.taps, program.weights, program.external))
    return engine


def compare(core: CoreSimulation, given: Network, inputs: int = 2) -> None:
    """A run tile by tile, then whole ones."""
    program, graph = given.program, given.golden.graph
    engine = loaded(core, given)
    q = np.random.default_rng(3).integers(-128, 128, (inputs, *graph.tensors[graph.input].shape)).astype(np.int8)
    golden = given.golden.run(q)
    engine.write_map(graph.input, q[0])
    for number, step in enumerate(program.steps):
        engine.run_layers(step.descriptors, first=number == 0)
        found, wanted = step.found(engine.read_layout(step.place)), step.part(golden[step.layer.output][0])
        np.testing.assert_array_equal(found, wanted, err_msg=f"{step.layer.name}, rows from {step.first} on")
    read = len(program.external) + sum(layer.map_words_read for layer in given.layers)
    for index in range(inputs):
        np.testing.assert_array_equal(engine.infer(graph.input, graph.output, q[index]), golden[graph.output][index])
        assert engine.cycles()[0] == given.cycles
        assert engine.external_traffic() == (read, sum(layer.waiting for layer in given.layers))
        assert engine.external_written() == sum(layer.map_words_written for layer in given.layers)


def test_weights_and_maps(tmp_path: Path) -> None:
    """As the compiler builds it: eight times the weight buffer, and a map larger than the feature buffer."""
    layers: list[tuple[int, int] | int | str] = [(3, 16), (3, 16), "pool", (3, 32), "pool", (3, 64), (3, 96), "pool", 64, 10]
    budget = replace(board_budget(find_board("ulx3s-85f")), block_rams=14, external=SDRAM)
    compilation = compile_graph(layered_network("large", (28, 28, 8), layers), budget, array=(2, 8, 4), depth=1)
    config, plan = compilation.config, compilation.plan
    assert plan.weight_words(config.parameter_words) >= 8 * config.weight_depth
    assert max(layer.output.size for layer in plan.layers) > config.feature_depth
    assert any(segment.last > segment.first and len(segment.moves) > 1 for segment in plan.segments)
    assert all(sum(getattr(layer, kind) for layer in compilation.layer_cycles) for kind in ("map_words_read", "map_words_written"))
    golden = GoldenNetwork(compilation.graph, compilation.certified)
    given = Network(compilation.program, golden, compilation.layer_cycles)
    assert given.cycles == compilation.cycles
    with system(config, SDRAM, tmp_path) as core:
        compare(core, given, 1)


class Growing(GrowingGraph):
    """With convolutions of random weights."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__("spilled", shape, -7)
        self.generator = np.random.default_rng(5)

    def layer(self, source: str, outputs: int, kernel: int, stride: int = 1, groups: int = 1, padding: int | None = None) -> str:
        """A convolution."""
        weights = (outputs, kernel, kernel, self.tensor(source).shape[2] // groups)
        scale = self.generator.uniform(60, 100, outputs) / (5000 * np.sqrt(np.prod(weights[1:])))
        return self.convolution(
            Convolution(
                name=f"conv{self.number}", operator="Conv", input=source, output=self.next,
                weights=self.generator.integers(-127, 128, weights).astype(np.int8),
                bias=self.generator.integers(-2000, 2000, outputs), stride=(stride, stride), groups=groups,
                padding=(kernel // 2 if padding is None else padding,) * 4,
                requantization=FloatRequantization(scale=scale.astype(np.float32), zero_point=-7, low=-128, high=127),
            )
        )  # fmt: skip


def residual() -> Graph:
    """Residual blocks, one with a stride."""
    graph = Growing((12, 11, 3))
    last = graph.layer("map0", 8, 3)
    for stride in (1, 2, 1):
        main = graph.layer(graph.layer(last, 8, 3, stride), 8, 3)
        last = graph.addition([main, last if stride == 1 else graph.layer(last, 8, 1, stride)], [0.6, 0.5], -7, (-100, 127))
    return graph.finished(graph.layer(last, 5, 6, 1, padding=0))


def separable() -> Graph:
    """Depthwise and pointwise layers, a stride and a padded pool."""
    graph = Growing((13, 10, 4))
    last = graph.layer("map0", 8, 3, 2)
    last = graph.layer(graph.layer(last, 8, 3, 1, 8), 12, 1)
    last = graph.pool(last, (3, 3), (2, 2), (1, 1, 1, 1))
    last = graph.layer(graph.layer(last, 12, 3, 1, 12), 9, 1)
    return graph.finished(last)


def joined() -> Graph:
    """Branches side by side, one within the other."""
    graph = Growing((9, 8, 4))
    first = graph.layer("map0", 5, 3)
    both = graph.concatenation([first, graph.layer(first, 7, 1), graph.layer("map0", 6, 3)])
    dense = graph.concatenation([both, graph.layer(both, 4, 3)])
    return graph.finished(graph.layer(graph.layer(dense, 22, 3, 2, 22), 9, 1))


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreSimulation]:
    """One engine with SDRAM for many networks."""
    with system(ENGINE, SDRAM, tmp_path_factory.mktemp("sdram")) as running:
        yield running


def test_weights_first(core: CoreSimulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer's weights once, its rows again for each run of them: fewer words of weights, more of maps."""
    monkeypatch.setattr("macaw.compiler.map_spilling._LONGEST", 1)
    graph = layered_network("wide", (6, 6, 8), [(3, 40), (1, 42), (1, 8)])
    plan = MapSpiller(MapPlanner(graph, ENGINE.p, ENGINE.m, ENGINE.n), ENGINE, SDRAM.word_cycles).plan(150, 0, 384)
    assert plan is not None and all(segment.first == segment.last for segment in plan.segments)
    given = []
    for order in (False, True):
        segments = tuple(replace(segment, weights_first=order and len(segment.moves) > 1) for segment in plan.segments)
        weights = plan_weights(replace(plan, segments=segments), ENGINE.parameter_words, ENGINE.weight_depth, 0.0, 4)
        assert weights is not None
        built = network(ENGINE, weights, SDRAM)
        assert built is not None
        compare(core, built, 1)
        given.append(built)
    assert sum(len(step.channels) < 40 for step in given[1].program.steps) > 8
    assert len(given[1].program.external) < len(given[0].program.external)
    assert sum(layer.map_words_read for layer in given[1].layers) > sum(layer.map_words_read for layer in given[0].layers)
    assert given[0].layers[1].map_words_written == given[1].layers[1].map_words_written


@pytest.mark.parametrize("make", [residual, separable, joined])
def test_branches_strides_and_planes(core: CoreSimulation, make: object) -> None:
    """Maps to and fro layer by layer, and in fused segments, in what the maps need and less."""
    assert callable(make)
    graph = make()
    found = 0
    for share, largest in ((0.5, 0.25), (0.35, 0.0)):
        given = spilled(graph, ENGINE, SDRAM, share, largest, found)
        if given is not None:
            compare(core, given, 1)
            found += 1
    assert found >= 2


def test_rows_that_come_back_wrong(core: CoreSimulation) -> None:
    """A word of a map that is not what was written: a status, and a sentence for the user; the next run is right."""
    given = spilled(residual(), ENGINE, SDRAM, 0.4, 0.0)
    assert given is not None and given.golden.graph.input in given.program.spilled
    engine = loaded(core, given)
    graph = given.golden.graph
    place = given.program.spilled[graph.input]
    q = np.zeros((1, *graph.tensors[graph.input].shape), np.int8)
    for offset in (0, place.row_words - 1, place.size - 1):
        words = place.pack(q[0])
        words[offset] ^= np.uint32(1 << offset % 32)
        core.write((7 << 24) | place.first, words)
        with pytest.raises(CheckFailed, match="Rows of a map that came back from the external memory have a wrong checksum"):
            engine.run()
    compare(core, given, 1)


def test_given_up_runs(core: CoreSimulation) -> None:
    """Runs that end at any time, also while rows move, leave nothing behind."""
    given = spilled(residual(), ENGINE, SDRAM, 0.4, 0.0)
    assert given is not None
    engine, graph = loaded(core, given), given.golden.graph
    engine.write_map(graph.input, np.zeros(graph.tensors[graph.input].shape, np.int8))
    for cycles in (40, 150, 260, 300, 1000, 1217, 2500, 5000):
        core.write(5, [0])
        core.write(4, [1])
        with pytest.raises(CheckFailed, match="still busy"):
            core.wait(cycles)
        engine.give_up()
    compare(core, given, 1)


@pytest.mark.slow
@pytest.mark.parametrize("config", [ENGINE, OTHER], ids=str)
@pytest.mark.parametrize("memory", [SDRAM, IdealMemory(words=1 << 16, latency=3, interval=1)], ids=["sdram", "ideal"])
def test_random_networks(config: EngineConfig, memory: ExternalMemory, tmp_path: Path) -> None:
    """Any network, any part of it outside."""
    generator = np.random.default_rng(config.p)
    found = 0
    with system(config, memory, tmp_path) as running:
        for _ in range(200):
            graph = random_graph(generator, 4, adding=True, joining=True)
            share, largest = generator.uniform(0.2, 0.9), generator.choice([0.0, 0.1, 0.4])
            given = spilled(graph, config, memory, share, largest, int(generator.integers(9)))
            if given is not None:
                compare(running, given, 1)
                found += 1
            if found == 25:
                return
    raise AssertionError(f"only {found} networks were spilled")
