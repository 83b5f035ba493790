"""Which array runs a network whose maps do not fit on the chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..hw.errors import UserError
from ..sim.cost.resources import engine_resources
from .arrangement import Arrangement
from .array_choice import Array, Candidate
from .budget import Budget
from .cycle_bound import CycleBound
from .engine_sizing import EngineNeeds, excess, least_engine
from .graph import Graph
from .input_folding import foldings
from .streaming_engine import spilling_engine

__all__ = ["spilling_candidates"]

_TRIED, _FOUND = 12, 4
"""Arrays that are planned where there is a choice, those with the fewest cycles if nothing waited first; until so many fit."""


def spilling_candidates(
    graph: Graph, needs: EngineNeeds, budget: Budget, arrays: Sequence[Array], depths: Sequence[int]
) -> list[Candidate]:
    """Engines that keep maps in the external memory, the fastest first; empty without such a memory, or if none fits."""
    if budget.external is None:
        return []
    bound = CycleBound(graph)
    bounded: list[tuple[int, Array]] = []
    for array in arrays:
        if array[2] % needs.formats.lane_step and len(arrays) > 1:
            continue
        least = least_engine(needs, array, depths[0], budget)
        spilling = replace(least, streaming=True, spilling=True, weight_memory="block")
        if excess(engine_resources(spilling, budget.family), budget) <= 1:
            bounded.append((min(bound.cycles(replace(least, depth=depth)) for depth in depths), array))
    found: list[Candidate] = []
    for _, array in sorted(bounded)[:_TRIED]:
        if len({candidate.array for candidate in found}) == _FOUND:
            break
        folded = [Arrangement(False, (folding.rows, folding.columns)) for folding in foldings(graph, *array)[:1]]
        for arrangement in (*folded, Arrangement(False)):
            engines = []
            for depth in depths if len(arrays) == 1 else depths[:1]:
                try:
                    engines.append(spilling_engine(arrangement.apply(graph), needs, array, depth, budget))
                except UserError:  # more than an engine can count
                    continue
            fitting = [Candidate(arrangement=arrangement, engine=engine) for engine in engines if engine is not None]
            found += fitting
            if fitting:
                break
    found.sort(key=lambda candidate: (candidate.cycles, candidate.resources.luts))
    return list({candidate.array: candidate for candidate in reversed(found)}.values())[::-1]
