"""An engine whose weights do not fit on the chip: as large a weight buffer as the device has room for, and the rest streamed; and
one whose maps do not fit, either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..hw.config import EngineConfig
from ..hw.control.descriptor import descriptor_words
from ..hw.external.external_map import ExternalMap
from ..sim.cost.cycles import program_cycles
from ..sim.cost.external_memory import ExternalMemory
from ..sim.cost.resources import block_rams, engine_resources, weight_block_rams
from .budget import Budget
from .concatenation import legalize
from .engine_sizing import (
    MOST_WORDS,
    EngineNeeds,
    SizedEngine,
    excess,
    least_engine,
    memory_step,
    round_up,
    size_engine,
)
from .graph import Graph
from .map_spilling import MapSpiller
from .network_plan import MapPlanner, NetworkPlan
from .weight_streaming import WeightPlan, group_words, streamed_cycles, weight_plans

__all__ = ["spilling_engine", "streaming_engine", "why_not_streamed"]

_MOST_PROGRAM = 4096

_FEATURE_SHARES = (0.25, 0.45, 0.65, 0.8)
"""Parts of a device's block RAMs that the feature buffer may take where maps do not fit."""

_LARGEST = (0.05, 0.3, 1.0)
"""Maps of more than such a part of the feature buffer go through the external memory."""


def _program_words(config: EngineConfig, plan: WeightPlan) -> int:
    return config.header_words + (plan.network.descriptors + 1) * descriptor_words(config)


def _fastest(config: EngineConfig, engine: SizedEngine, memory: ExternalMemory) -> tuple[EngineConfig, WeightPlan] | None:
    """The weight plan with the fewest cycles, roughly, in a buffer of ``config.weight_depth``, and the engine with its program memory."""
    best = None
    for plan in weight_plans(engine.plan, config.parameter_words, config.weight_depth):
        words = _program_words(config, plan)
        if words > _MOST_PROGRAM or plan.external_words(config) > memory.words:
            continue
        cycles = program_cycles(config, streamed_cycles(config, plan, memory, rough=True))
        key = cycles, words
        if best is None or key < best[0]:
            best = key, plan
    return None if best is None else (replace(config, program_depth=max(config.program_depth, best[0][1])), best[1])


def streaming_engine(engine: SizedEngine, budget: Budget) -> SizedEngine | None:
    """``engine``, which does not fit because of its weights, with streamed weights; None if it fits in no way.

    The weight buffer gets the blocks that are left. The fastest of all ways to pin and cut the weights is taken.
    """
    memory = budget.external
    if memory is None or engine.config.weight_memory != "block":
        return None
    step = memory_step(budget)
    words = engine.plan.weight_words(engine.config.parameter_words)
    if words * engine.config.weight_segments > memory.words:
        return None
    spilling = bool(engine.plan.spilled)
    config = replace(engine.config, streaming=True, spilling=spilling, prefetch=engine.config.prefetch, taps_in_program=False)
    config = replace(config, program_depth=round_up(engine.plan.descriptors * descriptor_words(config), step))

    def fits(depth: int) -> bool:
        return excess(engine_resources(replace(config, weight_depth=depth), budget.family), budget) <= 1

    most = min(round_up(words, step), MOST_WORDS)
    low, high = 0, most // step
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * step) else (low, middle - 1)
    largest = max(
        group_words(layer, run, config.parameter_words) for layer in engine.plan.layers for run in layer.runs
    )
    # The program grows with the number of pieces: what it takes is missing in the buffer.
    for steps in range(low, max(low - 4, 0), -1):
        if 2 * largest > steps * step:
            break
        found = _fastest(replace(config, weight_depth=steps * step), engine, memory)
        if found is None:
            continue
        sized, plan = replace(found[0], program_depth=round_up(found[0].program_depth, step)), found[1]
        resources = engine_resources(sized, budget.family)
        if excess(resources, budget) <= 1 and engine.plan.feature_words <= sized.feature_depth:
            return SizedEngine(
                config=sized, plan=plan.network, resources=resources, weights=plan, external=memory
            )  # fmt: skip
    return None


def spilling_engine(
    graph: Graph, needs: EngineNeeds, array: tuple[int, int, int], depth: int, budget: Budget
) -> SizedEngine | None:
    """An engine for a network whose maps do not fit on the chip, ``graph`` as arranged; the fastest of several divisions of the
    block RAM between maps and weights. None if it fits in no way.

    Raises UserError for what an engine cannot count.
    """
    memory = budget.external
    if memory is None:
        return None
    p, m, n = array
    planner = MapPlanner(legalize(graph, m), p, m, n)
    least = least_engine(needs, array, depth, budget)
    spiller = MapSpiller(planner, least, memory.word_cycles)
    step = memory_step(budget)
    found: list[NetworkPlan] = []
    best = None
    for share in _FEATURE_SHARES:
        words = _depth_of(share * budget.block_rams, least, budget, step)
        weights = _weight_depth_of((1 - share) * budget.block_rams, least, budget, step)
        for part in _LARGEST:
            for plan in _plans(spiller, words, int(part * words), weights):
                if any((plan.segments, plan.windows) == (other.segments, other.windows) for other in found):
                    continue
                found.append(plan)
                sized = size_engine(needs, plan, array, depth, budget)
                engine = sized if not plan.spilled and sized.excess(budget) <= 1 else streaming_engine(sized, budget)
                if engine is not None and (best is None or engine.cycles < best.cycles):
                    best = engine
    return best


def _plans(spiller: MapSpiller, words: int, largest: int, weights: int) -> Iterator[NetworkPlan]:
    """Plans for a feature buffer: the best with rows first, and with weights first where a layer could."""
    plan = spiller.plan(words, largest, weights)
    if plan is None:
        return
    yield plan
    if any(segment.first == segment.last and len(segment.moves) > 1 for segment in plan.segments):
        other = spiller.plan(words, largest, weights, weights_first=True)
        if other is not None:
            yield other


def _depth_of(blocks: float, config: EngineConfig, budget: Budget, step: int) -> int:
    """Words of a feature buffer of so many block RAMs."""
    depth = step
    while depth + step <= MOST_WORDS and config.p * block_rams(budget.family, config.word_width, depth + step, 8) <= blocks:
        depth += step
    return depth


def _weight_depth_of(blocks: float, config: EngineConfig, budget: Budget, step: int) -> int:
    """Words of a weight buffer of so many block RAMs."""
    depth = step
    while depth + step <= MOST_WORDS and weight_block_rams(budget.family, replace(config, weight_depth=depth + step)) <= blocks:
        depth += step
    return depth


def why_not_streamed(engine: SizedEngine, budget: Budget) -> str:
    """Why even with streamed weights the network does not fit, as part of a sentence; empty where nothing is streamed."""
    memory, config = budget.external, engine.config
    if memory is None:
        return ""
    plan = engine.plan
    layer, words = max(
        ((layer, group_words(layer, run, config.parameter_words)) for layer in plan.layers for run in layer.runs),
        key=lambda item: item[1],
    )
    total = plan.weight_words(config.parameter_words) * config.weight_segments
    outside = _why_not_spilled(engine, budget, total)
    if outside and total <= memory.words:
        return outside
    if total > memory.words:
        return (
            f"the weights need {total * 4 / 2**20:.1f} MiB, the external memory of {budget.name} has {memory.words * 4 / 2**20:g}"
        )
    return (
        f"the weights are streamed, for which the weight buffer needs room for two output groups: one of node "
        f"{layer.node.name!r} has {words} words of {config.weight_width} bits"
    )


def _why_not_spilled(engine: SizedEngine, budget: Budget, weights: int) -> str:
    """Why maps outside of the chip do not help, as part of a sentence; empty where they fit, or nothing simple is wrong.

    ``weights``: 32-bit words of them.
    """
    memory, config, plan = budget.external, engine.config, engine.plan
    assert memory is not None

    def blocks(words: int) -> int:
        return config.p * block_rams(budget.family, config.word_width, round_up(words, memory_step(budget)), 8)

    if plan.feature_words <= config.feature_depth and blocks(plan.feature_words) <= budget.block_rams // 2:
        return ""
    output = plan.layers[-1] if plan.layers[-1].node.output == plan.graph.output else plan.largest_step[0]
    if blocks(output.output.size) > budget.block_rams:
        return (
            f"maps may lie in the external memory, but the output map of node {output.node.name!r} must lie in the feature buffer: "
            f"{output.output.size} words in each of {config.p} banks"
        )
    maps = {(layer.node.output, ExternalMap(layout=layer.output).size) for layer in plan.layers}
    maps.add((plan.graph.input, ExternalMap(layout=plan.layers[0].input).size))
    largest = max(size for _, size in maps)
    if weights + largest > memory.words:
        return (
            f"the weights and maps outside of the chip need {4 * (weights + sum(size for _, size in maps)) / 2**20:.1f} MiB, the external "
            f"memory of {budget.name} has {memory.words * 4 / 2**20:g}"
        )
    return ""
