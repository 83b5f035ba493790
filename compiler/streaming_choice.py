"""How fast an array with streamed weights can be at the best, and which depth it gets: for the choice of the array."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..hw.config import EngineConfig
from ..sim.cost.cycles import program_cycles
from ..sim.cost.resources import engine_resources, weight_block_rams
from .budget import Budget
from .engine_sizing import SizedEngine, memory_step
from .streaming_engine import streaming_engine
from .weight_streaming import streamed_cycles

__all__ = ["fastest_streaming", "least_stream_cycles", "rough_cycles"]


def rough_cycles(engine: SizedEngine) -> int:
    """Cycles of an engine with the waiting by its memory's average rate: within some 1 % of the exact number."""
    if engine.weights is None or engine.external is None:
        return engine.cycles
    return program_cycles(engine.config, streamed_cycles(engine.config, engine.weights, engine.external, rough=True))


def least_stream_cycles(config: EngineConfig, words: int, budget: Budget) -> int:
    """Cycles that the external memory takes for the weights that no buffer on the device can keep; 0 without such a memory.

    ``words``: of the weight buffer, that all weights need. ``config``: an engine whose memories are as small as they can be.
    """
    if budget.external is None:
        return 0
    taken = engine_resources(config, budget.family).block_rams - weight_block_rams(budget.family, config)
    kept = (budget.block_rams - taken) * memory_step(budget)  # a block keeps as many 32-bit words as it has at that width
    return max(0, int((words * config.weight_segments - kept) * budget.external.word_cycles))


def fastest_streaming(
    sized: Callable[[int], SizedEngine], least: Mapping[int, int], gain: float, budget: Budget
) -> tuple[SizedEngine | None, int]:
    """The shallowest of the fast depths with streamed weights, None if none fits; and how many were tried.

    ``sized``: the engine of a depth, without streaming. ``least``: the depths, ascending, and cycles that each cannot beat; one
    that cannot be faster than those before it by the factor ``gain`` is left out.
    """
    found: list[tuple[int, SizedEngine]] = []
    tried = 0
    for depth, cannot_beat in least.items():
        if found and gain * cannot_beat >= min(cycles for cycles, _ in found):
            continue
        tried += 1
        engine = streaming_engine(sized(depth), budget)
        if engine is not None:
            found.append((rough_cycles(engine), engine))
    if not found:
        return None, tried
    fastest = min(cycles for cycles, _ in found)
    return next(engine for cycles, engine in found if cycles <= gain * fastest), tried
