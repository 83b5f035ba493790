"""Which array is the fastest for a network on a device: a best-first search with the exact cycle model.

Each array comes in several arrangements (compiler/arrangement.py) and depths. Candidates wait in a queue by a number of
cycles that they cannot beat: first the steps alone, then the cycle model on the network as it is, without the copies and
row tiles of a plan, at last the true number. What reaches the front with its true number is the next best.

Where weights must be streamed, a candidate waits by what the memory takes for those that the buffer cannot keep, if that is more,
and by a rough number before the exact one, which looks at every burst. Of arrays that differ in p alone and take equally many
steps only the smallest is tried.
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
from .input_folding import fewest_steps, first_layer, foldings
from .network_plan import NetworkPlan, network_plans, plan_network
from .orientation import turn
from .streaming_choice import fastest_streaming, least_stream_cycles, rough_cycles

__all__ = ["DEPTHS", "Array", "ArraySearch", "Candidate", "every_array"]

Array = tuple[int, int, int]

DEPTHS = (1, 2, 4, 8, 16)
"""Depths that are tried where the user gives none."""

_DEPTH_GAIN = 1.01
"""A deeper accumulation buffer must save one cycle in a hundred."""

_PIXELS = range(1, 17)
_WIDTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
_WIDEST_WEIGHT_WORD = 256
_ROUGH = 0.98
"""The exact cycles of a candidate with streamed weights are no fewer than this share of its rough ones."""
_MAP_SHARE = 0.9
"""The maps of a network take no less than this share of what they take on another array with the same p and m."""
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
        self._smallest: dict[tuple[int, int, bool, int], int] = {}  # p of those that are alike
        self._array_steps: dict[tuple[Array, bool], int] = {}
        self._streaming: dict[tuple[Array, Arrangement], dict[int, int]] = {}  # least cycles by depth where weights do not fit
        self._least_maps: dict[tuple[Arrangement, int, int], int] = {}
        self.streamed = 0
        """Engines with streamed weights that were planned so far."""

    def best(self, wanted: int, progress: Callable[[int, int], None] | None = None) -> list[Candidate]:
        """At most ``wanted`` candidates that fit, of different arrays, fewest cycles first, then fewest LUTs.

        Raises UserError if no array can count what the network has.
        """
        for array in self._arrays:
            for turned, steps in self._steps(array):
                self._array_steps[array, turned] = steps
                alike = self._alike(array, turned)
                self._smallest[alike] = min(array[0], self._smallest.get(alike, array[0]))
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
        elif found.engine.weights is not None:
            self._push(int(_ROUGH * rough_cycles(found.engine)), 2, partial(self._settle, found))
        else:
            self._settle(found)

    def _settle(self, found: Candidate) -> None:
        """Queues a candidate with its true number of cycles."""
        self._push(found.cycles, 3, found, (found.resources.luts, found.array, found.arrangement.key))

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

    def _alike(self, array: Array, turned: bool) -> tuple[int, int, bool, int]:
        """What arrays have in common that differ in p alone and take equally many steps."""
        return array[1], array[2], turned, self._array_steps[array, turned]

    def _miss(self, excess: float, array: Array, arrangement: Arrangement) -> None:
        self._misses.append((excess, next(self._numbers), array, arrangement))

    def _least_cycles(self, array: Array, arrangement: Arrangement) -> int | None:
        """Cycles that the arrangement cannot beat at any depth; None if it cannot fit the device, or a smaller array is as good."""
        _, bound = self._arrange(arrangement)
        budget = self._budget
        p, m, n = array
        least = least_engine(self._needs, array, self._depths[0], budget)
        weights = bound.weight_words(m, n, least.parameter_words)
        maps = max(bound.feature_words(p, m), int(_MAP_SHARE * self._least_maps.get((arrangement, p, m), 0)))
        least = replace(least, feature_depth=min(max(maps, 2), MOST_WORDS))

        def over(words: int) -> float:
            """By how much the engine misses the device with so many words of weights."""
            sized = replace(least, weight_depth=min(max(words, 2), MOST_WORDS))
            return max(excess(engine_resources(sized, budget.family), budget), words / MOST_WORDS, maps / MOST_WORDS)

        missed = over(weights)
        streaming = missed > 1 and budget.external is not None
        if streaming:
            if p > self._smallest[self._alike(array, arrangement.turned)]:
                return None
            missed = over(min(weights, 2 * bound.group_words(m, n, least.parameter_words)))
        if missed > 1:
            self._miss(missed, array, arrangement)
            return None
        cycles = {depth: bound.cycles(replace(least, depth=depth)) for depth in self._depths}
        if streaming:
            waiting = least_stream_cycles(least, weights, budget)
            # A depth is worth a try that is faster than all shallower ones as long as nothing waits.
            faster = [depth for depth in cycles if all(cycles[depth] < cycles[other] for other in cycles if other < depth)]
            cycles = {depth: max(cycles[depth], waiting) for depth in faster}
            self._streaming[array, arrangement] = cycles
        return min(cycles.values())

    def _size(self, plan: NetworkPlan, array: Array, arrangement: Arrangement) -> SizedEngine | None:
        """The engine for a plan at the least depth; None if it cannot count or address what the plan has."""
        self._plans += 1
        try:
            engine = size_engine(self._needs, plan, array, self._depths[0], self._budget)
        except UserError as error:
            self._refusal = error
            return None
        self._sized += 1
        if (over := engine.excess(self._budget)) > 1:
            self._miss(over, array, arrangement)
        return engine

    def _candidate(self, array: Array, arrangement: Arrangement) -> Candidate | None:
        """The shallowest of the fast depths, on the first of the plans that fits; None if none does."""
        graph, _ = self._arrange(arrangement)
        if (array, arrangement) in self._streaming:
            return self._streamed(graph, array, arrangement)
        for plan in network_plans(graph, *array):
            engine = self._size(plan, array, arrangement)
            if engine is None or engine.excess(self._budget) > 1:
                continue
            deeper = [size_engine(self._needs, plan, array, depth, self._budget) for depth in self._depths[1:]]
            fitting = [engine, *(other for other in deeper if other.excess(self._budget) <= 1)]
            fastest = min(engine.cycles for engine in fitting)
            worthwhile = next(engine for engine in fitting if engine.cycles <= _DEPTH_GAIN * fastest)
            return Candidate(arrangement=arrangement, engine=worthwhile)
        return None if self._budget.external is None else self._streamed(graph, array, arrangement)

    def _streamed(self, graph: Graph, array: Array, arrangement: Arrangement) -> Candidate | None:
        """With weights from the external memory: on a plan without tiles of rows, for which weights come again and again, or
        where maps are too large for that on the first with tiles that fits."""
        plain = plan_network(graph, *array)
        found = [self._with_stream(plain, array, arrangement)]
        tight = plan_network(graph, *array, in_place=True)
        step = memory_step(self._budget)
        if round_up(tight.feature_words, step) < round_up(plain.feature_words, step):
            found.append(self._with_stream(tight, array, arrangement))
        engines = [engine for engine in found if engine is not None]
        if engines:
            return Candidate(arrangement=arrangement, engine=min(engines, key=rough_cycles))
        least = min(plain.feature_words, tight.feature_words)
        # Where the lowest tiles do not make it fit, no others do.
        lowest = plan_network(graph, *array, in_place=True, tile_rows=1)
        self._least_maps[arrangement, array[0], array[1]] = min(least, lowest.feature_words)
        if lowest.feature_words >= least or (engine := self._with_stream(lowest, array, arrangement)) is None:
            return None
        tiled = (plan for plan in network_plans(graph, *array) if lowest.feature_words < plan.feature_words < least)
        for plan in tiled:
            if (better := self._with_stream(plan, array, arrangement)) is not None:
                engine = better
                break
        return Candidate(arrangement=arrangement, engine=engine)

    def _with_stream(self, plan: NetworkPlan, array: Array, arrangement: Arrangement) -> SizedEngine | None:
        """The shallowest of the fast depths, None if none fits."""
        if self._size(plan, array, arrangement) is None:
            return None
        least = self._streaming.get((array, arrangement), dict.fromkeys(self._depths, 0))
        engine, tried = fastest_streaming(
            lambda depth: size_engine(self._needs, plan, array, depth, self._budget), least, _DEPTH_GAIN, self._budget
        )
        self.streamed += tried
        return engine
