"""From an integer graph to a program: chooses and sizes the engine, solves the requantization, encodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..hw.config import EngineConfig
from ..hw.errors import UserError
from ..sim.cost.cycles import LayerCycles
from ..sim.cost.resources import EngineResources
from .arrangement import Arrangement
from .array_choice import DEPTHS, Array, ArraySearch, Candidate, every_array
from .budget import Budget
from .certified_addition import CertifiedAddition
from .certified_requantization import CertifiedRequantization
from .engine_sizing import engine_needs
from .graph import Graph
from .idle_strides import drop_idle_strides
from .misfit import explain_misfit
from .network_plan import NetworkPlan
from .number_formats import choose_formats
from .program import Program, assemble
from .requantize import requantize
from .spilling_choice import spilling_candidates
from .weight_streaming import WeightPlan

__all__ = ["Compilation", "compile_graph"]

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """A compiled network.

    ``graph``: the network as it runs, in its ``arrangement`` and with the copies of ``plan``. ``certified``: the
    requantization of every layer that multiplies, by its output tensor. ``layer_cycles``: the cycle model's breakdown, one
    a layer of the plan. ``cycles``: what the cycle counter will show. ``slots``: products that the array could make in them. ``candidates``: the fastest engines, if one was
    to be chosen. ``weights``: how the weights are streamed, None if all stay on the chip.
    """

    graph: Graph
    arrangement: Arrangement
    config: EngineConfig
    plan: NetworkPlan
    program: Program
    certified: dict[str, CertifiedRequantization | CertifiedAddition]
    layer_cycles: tuple[LayerCycles, ...]
    cycles: int
    slots: int
    resources: EngineResources
    candidates: tuple[Candidate, ...] = ()
    weights: WeightPlan | None = None


def compile_graph(
    graph: Graph,
    budget: Budget,
    *,
    array: Array | None = None,
    depth: int | None = None,
    others: Sequence[Budget] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Compilation:
    """Compiles ``graph`` for a device.

    Without ``array`` or ``depth`` those with the fewest cycles that fit are chosen. ``others`` are devices to name, in
    this order, in a message that it does not fit.

    Raises
    ------
    UserError
        The network or the array does not fit; ModelError for what no engine can run.
    """
    if not graph.nodes:
        raise UserError(f"The model {graph.source} has no layer for the engine: there is nothing to build.")
    if depth is not None and not 1 <= depth <= 64:
        raise UserError(f"--depth is the number of pixel groups that share a weight fetch, from 1 to 64, not {depth}.")
    for name, value in zip(("p", "m", "n"), array or (), strict=False):
        if not 1 <= value <= 64:
            raise UserError(f"--array is p,m,n with each from 1 to 64; {name} is {value}.")
    graph = choose_formats(drop_idle_strides(graph))
    needs = engine_needs(graph)
    depths = DEPTHS if depth is None else (depth,)

    # The compiler leaves room for place and route, as far as the network lets it. An array that was named may take all that
    # can be used.
    shares = (budget.choice_luts, (budget.choice_luts + budget.luts) // 2) if array is None else ()
    rooms = [replace(budget, luts=luts) for luts in dict.fromkeys((*shares, budget.luts))]

    def search(room: Budget, arrays: Sequence[Array]) -> ArraySearch:
        return ArraySearch(graph, needs, room, arrays, depths)

    arrays = every_array() if array is None else [array]
    candidates: list[Candidate] = []
    for room in rooms:
        chosen = search(room, arrays)
        candidates = chosen.best(_SHOWN if array is None else 1, progress)
        candidates = candidates or spilling_candidates(graph, needs, room, arrays, depths)[:_SHOWN]
        if candidates:
            break
    if not candidates:
        ways = []
        if array is not None and (smaller := search(budget, every_array()).best(1)):
            ways.append(f"--array {','.join(map(str, smaller[0].array))}")
        ways += [
            f"--board {other.name}" for other in others if other.name != budget.name and search(other, arrays).best(1)
        ]
        raise UserError(explain_misfit(chosen.nearest.engine, budget, ways))
    best = candidates[0]
    plan = best.engine.plan
    certified = requantize(plan.graph, best.config)
    return Compilation(
        graph=plan.graph,
        arrangement=best.arrangement,
        config=best.config,
        plan=plan,
        program=assemble(best.config, plan, certified, best.engine.weights),
        weights=best.engine.weights,
        certified=certified,
        layer_cycles=best.engine.layer_cycles,
        cycles=best.cycles,
        slots=best.engine.slots,
        resources=best.resources,
        candidates=() if array is not None else tuple(candidates),
    )
