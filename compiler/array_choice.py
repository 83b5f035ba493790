"""Which array is the fastest for a network on a device: a best-first search with the exact cycle model.

Each array comes in several arrangements (compiler/arrangement.py) and depths. Candidates wait in a queue by a number of
cycles that they cannot beat: first the steps alone, then the cycle model on the network as it is, without the copies and
row tiles of a plan, at last the true number. What reaches the front with its true number is the next best.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, product

from ..hw.config import EngineConfig
from ..hw.errors import UserError
from ..sim.cost.resources import EngineResources, engine_resources
from .arrangement import Arrangement
from .budget import Budget
from .cycle_bound import CycleBound
from .engine_sizing import MOST_WORDS, EngineNeeds, SizedEngine, excess, least_engine, size_engine
from .graph import Graph
from .input_folding import fewest_steps, first_layer, foldings
from .network_plan import NetworkPlan, network_plans
from .orientation import turn
from .streaming_engine import streaming_engine

__all__ = ["DEPTHS", "Array", "ArraySearch", "Candidate", "every_array"]

Array = tuple[int, int, int]

DEPTHS = (1, 2, 4, 8, 16)
"""Depths that are tried where the user gives none."""

_DEPTH_GAIN = 1.01
"""A deeper accumulation buffer must save one cycle in a hundred."""

_PIXELS = range(1, 17)
_WIDTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
_WIDEST_WEIGHT_WORD = 256
_MOST_PLANS = 300
"""Plans after which a search ends with what it has: only networks that hardly fit need so many."""


def every_array() -> list[Array]:
    """All arrays that are tried: p of 1 to 16, m and n of 1 to 64, up to 256 weights in a word."""
    return [(p, m, n) for p, m, n in product(_PIXELS, _WIDTHS, _WIDTHS) if m * n <= _WIDEST_WEIGHT_WORD]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An engine for a network in an arrangement."""

    arrangement: Arrangement
    engine: SizedEngine

    @property
    def config(self) -> EngineConfig:
        """The engine's parameters."""
        return self.engine.config

    @property
    def resources(self) -> EngineResources:
        """What the resource model says of it."""
        return self.engine.resources

    @property
    def cycles(self) -> int:
        """What the cycle counter will show."""
        return self.engine.cycles

    @property
    def array(self) -> Array:
        """p, m, n."""
        return self.config.p, self.config.m, self.config.n


class ArraySearch:
    """The fastest engines for a network on a device.

    Parameters
    ----------
    graph : Graph
        As imported.
    needs : EngineNeeds
        Of that graph.
    budget : Budget
    arrays : sequence of (p, m, n)
    depths : sequence of int
        Ascending.
    """

    def __init__(
        self, graph: Graph, needs: EngineNeeds, budget: Budget, arrays: Sequence[Array], depths: Sequence[int]
    ) -> None:
        self._needs, self._budget, self._depths = needs, budget, depths
        # Where there is a choice, only arrays whose lanes fill whole bytes of every map; a single one is refused by EngineConfig.
        suitable = [array for array in arrays if array[2] % needs.formats.lane_step == 0]
        self._arrays = suitable if len(arrays) > 1 else arrays
        self._oriented = {False: graph, True: turn(graph)}
        self._arranged: dict[Arrangement, tuple[Graph, CycleBound]] = {}
        self._folded_steps: dict[tuple[bool, int, int], int] = {}
        self._misses: list[tuple[float, int, Array, Arrangement]] = []
        self._queue: list[tuple[int, int, tuple[object, ...], int, Callable[[], None] | Candidate]] = []
        self._refusal: UserError | None = None
        self._numbers = count()
        self._plans = self._sized = 0

    def best(self, wanted: int, progress: Callable[[int, int], None] | None = None) -> list[Candidate]:
        """At most ``wanted`` candidates that fit, of different arrays, fewest cycles first, then fewest LUTs.

        Raises UserError if no array can count what the network has.
        """
        for array in self._arrays:
            for turned, steps in self._steps(array):
                self._push(steps, 0, partial(self._narrow, array, turned))
        found: dict[Array, Candidate] = {}
        while self._queue and len(found) < wanted and self._plans < _MOST_PLANS:
            *_, item = heapq.heappop(self._queue)
            if isinstance(item, Candidate):
                found.setdefault(item.array, item)
                if progress:
                    progress(len(found), wanted)
            else:
                item()
        if self._refusal is not None and not found and not self._sized:
            raise self._refusal
        return list(found.values())

    def _push(
        self, cycles: int, stage: int, item: Callable[[], None] | Candidate, rank: tuple[object, ...] = ()
    ) -> None:
        """Among equal numbers of cycles the lower stage is first, then the lower rank."""
        heapq.heappush(self._queue, (cycles, stage, rank, next(self._numbers), item))

    def _narrow(self, array: Array, turned: bool) -> None:
        """From an orientation to its arrangements, the fastest first; each needs less memory than those in front of it."""
        offered = foldings(self._oriented[turned], *array)
        folded = [Arrangement(turned, (folding.rows, folding.columns)) for folding in offered]
        self._bound(array, [*folded, Arrangement(turned)])

    def _bound(self, array: Array, arrangements: Sequence[Arrangement]) -> None:
        """Queues the first of the arrangements that may fit."""
        for index, arrangement in enumerate(arrangements):
            least = self._least_cycles(array, arrangement)
            if least is not None:
                self._push(least, 1, partial(self._exact, array, arrangements[index:]))
                return

    def _exact(self, array: Array, arrangements: Sequence[Arrangement]) -> None:
        """Queues the first of the arrangements with its true number of cycles, or the next ones if it does not fit."""
        found = self._candidate(array, arrangements[0])
        if found is None:
            self._bound(array, arrangements[1:])
        else:
            self._push(found.cycles, 2, found, (found.resources.luts, array, arrangements[0].key))

    @property
    def nearest(self) -> Candidate:
        """After :meth:`best` found nothing: the candidate that misses the device by the smallest factor."""
        _, _, array, arrangement = min(self._misses)
        graph, _ = self._arrange(arrangement)
        plan = list(network_plans(graph, *array))[-1]
        engine = size_engine(self._needs, plan, array, self._depths[0], self._budget)
        return Candidate(arrangement=arrangement, engine=engine)

    def _arrange(self, arrangement: Arrangement) -> tuple[Graph, CycleBound]:
        if arrangement not in self._arranged:
            graph = replace(arrangement, turned=False).apply(self._oriented[arrangement.turned])
            self._arranged[arrangement] = graph, CycleBound(graph)
        return self._arranged[arrangement]

    def _steps(self, array: Array) -> list[tuple[bool, int]]:
        """Steps of the network in its better orientation; in both where they differ in steps."""
        result: list[tuple[bool, int]] = []
        for turned, graph in self._oriented.items():
            _, bound = self._arrange(Arrangement(turned))
            first = first_layer(graph)
            if first is None:
                steps = bound.steps(*array)
            else:
                place = turned, array[1], array[2]
                if place not in self._folded_steps:
                    self._folded_steps[place] = fewest_steps(first, *array[1:])
                folded = self._folded_steps[place]
                steps = bound.steps(*array, without=first.output) + bound.row_steps(first.output, array[0]) * folded
            if not result or steps != result[0][1]:
                result.append((turned, steps))
        return result

    def _miss(self, excess: float, array: Array, arrangement: Arrangement) -> None:
        self._misses.append((excess, next(self._numbers), array, arrangement))

    def _least_cycles(self, array: Array, arrangement: Arrangement) -> int | None:
        """Cycles that the arrangement cannot beat at any depth; None if it cannot fit the device."""
        _, bound = self._arrange(arrangement)
        budget = self._budget
        least = least_engine(self._needs, array, self._depths[0], budget)
        weights, maps = bound.weight_words(array[1], array[2], least.parameter_words), bound.feature_words(*array[:2])
        if budget.external is not None:
            weights = 0  # a small buffer may do
        sized = replace(
            least, weight_depth=min(max(weights, 2), MOST_WORDS), feature_depth=min(max(maps, 2), MOST_WORDS)
        )
        over = max(excess(engine_resources(sized, budget.family), budget), weights / MOST_WORDS, maps / MOST_WORDS)
        if over > 1:
            self._miss(over, array, arrangement)
            return None
        return min(bound.cycles(replace(least, depth=depth)) for depth in self._depths)

    def _candidate(self, array: Array, arrangement: Arrangement) -> Candidate | None:
        """The shallowest of the fast depths, on the first of the plans that fits; None if none does."""
        graph, _ = self._arrange(arrangement)
        missed: list[tuple[SizedEngine, NetworkPlan]] = []
        for plan in network_plans(graph, *array):
            self._plans += 1
            try:
                engine = size_engine(self._needs, plan, array, self._depths[0], self._budget)
            except UserError as error:  # more than an engine can count or address
                self._refusal = error
                continue
            self._sized += 1
            over = engine.excess(self._budget)
            if over > 1:
                missed.append((engine, plan))
                self._miss(over, array, arrangement)
                continue
            deeper = [size_engine(self._needs, plan, array, depth, self._budget) for depth in self._depths[1:]]
            fitting = [engine, *(other for other in deeper if other.excess(self._budget) <= 1)]
            fastest = min(engine.cycles for engine in fitting)
            worthwhile = next(engine for engine in fitting if engine.cycles <= _DEPTH_GAIN * fastest)
            return Candidate(arrangement=arrangement, engine=worthwhile)
        # The plans behind the first two differ from them in tiles of rows, for which weights come again and again.
        streamed = [found for engine, plan in missed[:2] if (found := self._streamed(engine, plan, array))]
        if streamed:
            return Candidate(arrangement=arrangement, engine=min(streamed, key=lambda engine: engine.cycles))
        return None

    def _streamed(self, engine: SizedEngine, plan: NetworkPlan, array: Array) -> SizedEngine | None:
        """With weights from the external memory, if there is one: the shallowest of the fast depths."""
        if self._budget.external is None:
            return None
        sized = [engine, *(size_engine(self._needs, plan, array, depth, self._budget) for depth in self._depths[1:])]
        found = [item for item in (streaming_engine(item, self._budget) for item in sized) if item is not None]
        if not found:
            return None
        fastest = min(item.cycles for item in found)
        return next(item for item in found if item.cycles <= _DEPTH_GAIN * fastest)
