"""The search for the fastest array finds what trying everything finds, and its bounds are bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from macaw.boards.device import find_device
from macaw.compiler.arrangement import Arrangement
from macaw.compiler.array_choice import Array, ArraySearch, every_array
from macaw.compiler.budget import Budget
from macaw.compiler.compilation import compile_graph
from macaw.compiler.cycle_bound import CycleBound
from macaw.compiler.engine_sizing import EngineNeeds, engine_needs, excess, least_engine, size_engine
from macaw.compiler.graph import Convolution, Graph
from macaw.compiler.input_folding import foldings
from macaw.compiler.network_plan import network_plans, plan_network
from macaw.compiler.requantizer_parameters import RequantizerParameters
from macaw.compiler.streaming_choice import least_stream_cycles, rough_cycles
from macaw.hw.errors import UserError
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.hw.primitives.target import Family
from macaw.scripts.build_folder import board_budget
from macaw.sim.cost.external_memory import Sdram
from macaw.sim.cost.resources import EngineResources
from macaw.sim.golden_network import GoldenNetwork, model_output, quantize_input
from macaw.sim.layered_network import Layer, layered_network
from macaw.sim.random_network import random_graph

NEEDS = EngineNeeds(
    accumulator_width=22,
    requantizer=RequantizerParameters(multiplier_width=24, shifts=(24, 28, 32, 36)),
    pooling=True,
    adding=False,
)
BUDGET = Budget(
    name="test", family=Family.ECP5, luts=9000, choice_luts=9000, block_rams=60, multipliers=60, single_port_rams=0, multiplier_latency=3,
    requantizer_digit=0, weight_memory="block",
)  # fmt: skip
ARRAYS: list[Array] = [
    (1, 4, 4),
    (2, 3, 2),
    (3, 4, 2),
    (4, 8, 4),
    (5, 2, 5),
    (1, 8, 8),
    (2, 16, 1),
    (16, 32, 4),
    (7, 1, 3),
]


def tried(graph: Graph, array: Array, depth: int) -> int | None:
    """The fewest cycles of all arrangements that fit."""
    cycles = []
    for turned in (False, True):
        offered = foldings(Arrangement(turned).apply(graph), *array)
        folds = [(folding.rows, folding.columns) for folding in offered]
        for fold in (*folds, None):
            for plan in network_plans(Arrangement(turned, fold).apply(graph), *array):
                engine = size_engine(NEEDS, plan, array, depth, BUDGET)
                if engine.excess(BUDGET) <= 1:
                    cycles.append(engine.cycles)
                    break
            if cycles and fold is not None:
                break  # further arrangements are for those that do not fit
    return min(cycles, default=None)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("depth", [1, 4])
def test_finds_what_trying_everything_finds(seed: int, depth: int) -> None:
    graph = random_graph(np.random.default_rng(seed))
    wanted = {array: cycles for array in ARRAYS if (cycles := tried(graph, array, depth)) is not None}
    found = ArraySearch(graph, NEEDS, BUDGET, ARRAYS, [depth]).best(len(ARRAYS))
    assert {item.array: item.cycles for item in found} == wanted
    assert [item.cycles for item in found] == sorted(wanted.values())
    assert (16, 32, 4) not in wanted
    few = ArraySearch(graph, NEEDS, BUDGET, ARRAYS, [depth]).best(3)
    assert [(item.array, item.cycles) for item in few] == [(item.array, item.cycles) for item in found[:3]]
    for item in found:
        assert item.engine.excess(BUDGET) <= 1
        assert item.config.depth == depth


@pytest.mark.parametrize("seed", range(10))
def test_bounds_are_below_the_truth(seed: int) -> None:
    generator = np.random.default_rng(seed)
    graph = random_graph(generator, 4)
    bound = CycleBound(graph)
    for array in ARRAYS:
        plan = plan_network(graph, *array)
        for depth in (1, 3):
            engine = size_engine(NEEDS, plan, array, depth, BUDGET)
            least = least_engine(NEEDS, array, depth, BUDGET)
            assert bound.steps(*array) <= bound.cycles(least) <= engine.cycles
            assert engine.cycles - bound.cycles(least) < 0.25 * engine.cycles
        assert bound.feature_words(array[0], array[1]) <= plan.feature_words
        words = bound.weight_words(array[1], array[2], engine.config.parameter_words)
        assert words == plan.weight_words(engine.config.parameter_words)


def test_a_deeper_buffer_must_pay() -> None:
    graph = random_graph(np.random.default_rng(3))
    single = ArraySearch(graph, NEEDS, BUDGET, ARRAYS, [1]).best(9)
    free = {item.array: item for item in ArraySearch(graph, NEEDS, BUDGET, ARRAYS, [1, 2, 4, 8]).best(9)}
    for item in single:
        other = free[item.array]
        assert other.config.depth == 1 or 1.01 * other.cycles < item.cycles


def test_nothing_fits() -> None:
    graph = random_graph(np.random.default_rng(3))
    search = ArraySearch(graph, NEEDS, replace(BUDGET, block_rams=1), ARRAYS, [1])
    assert search.best(3) == []
    assert search.nearest.engine.excess(replace(BUDGET, block_rams=1)) > 1
    assert search.nearest.array in ARRAYS


def test_more_than_the_compiler_would_take_is_taken_where_nothing_else_fits() -> None:
    graph = random_graph(np.random.default_rng(3))
    least = compile_graph(graph, replace(BUDGET, choice_luts=1)).resources.luts
    assert least <= (BUDGET.luts + 1) // 2  # halfway is tried first
    smallest = compile_graph(graph, BUDGET, array=(1, 1, 1)).resources.luts
    tight = replace(BUDGET, luts=smallest + 50, choice_luts=smallest // 4)
    assert smallest // 4 < compile_graph(graph, tight).resources.luts <= tight.luts


@pytest.mark.parametrize("part", ["iCE40LP384-QN32", "GW1NZ-LV1QN48C6/I5"])
def test_a_device_smaller_than_what_is_around_an_engine(part: str) -> None:
    budget = board_budget(find_device(part))
    assert min(budget.luts, budget.choice_luts, budget.block_rams) >= 0 and budget.luts + budget.block_rams < 200
    with pytest.raises(UserError, match=rf"the memories need \d+ block RAMs, .* of {part}: .* needs about \d+ LUTs, {budget.luts} of {part} may be"):
        compile_graph(random_graph(np.random.default_rng(3)), budget, array=(1, 1, 1))


@pytest.mark.parametrize("lacking", ["luts", "block_rams", "multipliers", "single_port_rams"])
def test_one_cell_of_a_kind_that_a_device_has_not(lacking: str) -> None:
    nothing = EngineResources(luts=0, block_rams=0, multipliers=0, single_port_rams=0)
    none = replace(BUDGET, **{lacking: 0})  # type: ignore[arg-type]
    assert excess(nothing, none) == 0
    assert 1 < excess(replace(nothing, **{lacking: 1}), none) < excess(replace(nothing, **{lacking: 2}), none)


def test_a_stride_beyond_the_descriptor_is_refused_in_words() -> None:
    graphs = (random_graph(np.random.default_rng(seed)) for seed in range(100))
    graph = next(graph for graph in graphs if len(graph.nodes) > 1 and isinstance(graph.nodes[1], Convolution))
    node = graph.nodes[1]  # folding would take it from a first layer
    assert isinstance(node, Convolution)
    graph.nodes = [replace(other, stride=(17, 17)) if other is node else other for other in graph.nodes]
    with pytest.raises(UserError, match=f"Node '{node.name}' has a stride of more than 15"):
        ArraySearch(graph, NEEDS, BUDGET, ARRAYS, [1]).best(1)


def test_every_array_is_legal_and_wide_ones_are_there() -> None:
    arrays = every_array()
    assert len(arrays) == len(set(arrays)) > 1000
    assert all(1 <= extent <= 64 for array in arrays for extent in array)
    assert all(m * n <= 256 for _, m, n in arrays)
    assert {(1, 8, 32), (5, 8, 8), (1, 1, 1), (16, 4, 4)} <= set(arrays)


@pytest.mark.parametrize("seed", range(4))
def test_the_compiled_network_computes_the_same(seed: int) -> None:
    generator = np.random.default_rng(seed)
    graph = random_graph(generator)
    compilation = compile_graph(graph, BUDGET)
    assert compilation.candidates[0].cycles == compilation.cycles
    assert compilation.cycles == min(item.cycles for item in compilation.candidates)
    again = compile_graph(graph, BUDGET, array=compilation.candidates[0].array, depth=compilation.config.depth)
    assert again.config == compilation.config and again.arrangement == compilation.arrangement
    x = generator.integers(-128, 128, (2, *graph.input_shape[1:])).astype(np.int8)
    outputs = []
    plain = plan_network(graph, 1, 1, 1).graph
    for network in (compilation.graph, plain):
        golden = GoldenNetwork(network, compilation.certified).run(quantize_input(network, x))
        outputs.append(model_output(network, golden[network.output]))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert engine_needs(graph).accumulator_width <= compilation.config.accumulator_width


STREAMED: list[Array] = [(1, 4, 4), (2, 4, 4), (3, 4, 2), (4, 4, 4), (1, 8, 2), (2, 3, 2), (5, 2, 5), (1, 2, 2)]


@pytest.mark.parametrize("seed", range(2))
def test_streamed_weights_are_chosen_with_few_trials(seed: int) -> None:
    """The best that trying each array and depth by itself finds, at the cost of a few trials: of arrays that differ in p alone and
    take equally many steps only the smallest is planned, and depths that cannot be faster are not."""
    layers: list[Layer] = [(3, 24), "pool", (3, 32), "pool", 64, 32, 10] if seed else [96, 64, 96, 10]
    graph = layered_network("streamed", (4, 4, 12) if seed else (1, 1, 160), layers, seed=seed)
    memory = Sdram(cycles=MT48LC16M16.cycles(75_000_000), pin_delay=2)
    budget = replace(BUDGET, block_rams=12, external=memory)
    needs, depths = engine_needs(graph), [1, 2, 4]
    alone = {
        (array, depth): found[0]
        for array in STREAMED
        for depth in depths
        if (found := ArraySearch(graph, needs, budget, [array], [depth]).best(1))
    }
    assert any(item.config.streaming for item in alone.values())
    search = ArraySearch(graph, needs, budget, STREAMED, depths)
    best = search.best(3)
    assert best[0].cycles <= 1.01 * min(item.cycles for item in alone.values())
    for item in best:
        assert item.cycles == alone[item.array, item.config.depth].cycles
    assert [item.cycles for item in best] == sorted(item.cycles for item in best)
    streaming = sum(item.config.streaming for item in alone.values())
    assert 0 < search.streamed <= (streaming if seed else len({array[1:] for array in STREAMED}))


@pytest.mark.parametrize("array", STREAMED)
def test_the_stream_bound_is_below_the_truth(array: Array) -> None:
    graph = layered_network("streamed", (4, 4, 12), [(3, 24), (3, 32), 64, 10])
    memory = Sdram(cycles=MT48LC16M16.cycles(75_000_000), pin_delay=2)
    budget = replace(BUDGET, block_rams=14, luts=20000, external=memory)
    needs, bound = engine_needs(graph), CycleBound(graph)
    (found,) = ArraySearch(graph, needs, budget, [array], [1]).best(1)
    assert found.engine.weights is not None
    least = replace(least_engine(needs, array, 1, budget), feature_depth=bound.feature_words(*array[:2]))
    words = bound.weight_words(array[1], array[2], least.parameter_words)
    waiting = least_stream_cycles(least, words, budget)
    assert 0 < waiting < found.cycles
    assert found.cycles == pytest.approx(rough_cycles(found.engine), rel=0.02)
