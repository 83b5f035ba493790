"""From an integer graph to a program: sizes the engine, solves the requantization, encodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..hw.config import EngineConfig
from ..hw.control.descriptor import descriptor_words
from ..hw.errors import UserError
from ..hw.primitives.target import Family
from ..sim.cost.cycles import LayerCycles, layer_cycles, program_cycles
from ..sim.cost.resources import EngineResources, block_rams, engine_resources, needed_logic_dots
from .budget import Budget
from .certified_requantization import CertifiedRequantization
from .graph import Add, Convolution, Graph, MaxPool
from .network_plan import NetworkPlan, plan_network
from .program import Program, assemble
from .requantize import requantize, required_accumulator_width
from .requantizer_parameters import RequantizerParameters, requantizer_parameters

__all__ = ["Candidate", "Compilation", "choose_array", "compile_graph", "size_engine"]

_MOST_GROUPS = 4096
_P = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
_M = (1, 2, 4, 8, 16, 32)
_N = (1, 2, 4, 8, 16)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An engine that fits, and what the models say of it."""

    config: EngineConfig
    resources: EngineResources
    cycles: int

    @property
    def array(self) -> tuple[int, int, int]:
        """p, m, n."""
        return self.config.p, self.config.m, self.config.n


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """A compiled network.

    ``certified``: the requantization of every convolution by its output tensor. ``layer_cycles``: the cycle model's
    breakdown, one a node. ``cycles``: what the cycle counter will show.
    """

    graph: Graph
    config: EngineConfig
    program: Program
    certified: dict[str, CertifiedRequantization]
    layer_cycles: tuple[LayerCycles, ...]
    cycles: int
    resources: EngineResources
    candidates: tuple[Candidate, ...] = ()


def _round_up(value: int, step: int) -> int:
    return max(-(-value // step), 1) * step


def _cycles(plan: NetworkPlan, config: EngineConfig) -> tuple[tuple[LayerCycles, ...], int]:
    layers = tuple(
        sum((layer_cycles(config, layer.loops(*part)) for part in layer.passes), LayerCycles()) for layer in plan.layers
    )
    return layers, program_cycles(config, layers)


def size_engine(
    graph: Graph,
    plan: NetworkPlan,
    array: tuple[int, int, int],
    depth: int,
    budget: Budget,
    requantizer: RequantizerParameters,
    accumulator_width: int,
) -> EngineConfig:
    """The smallest engine with this array that holds the network, its memories rounded up to whole blocks."""
    p, m, n = array
    ecp5 = budget.family is Family.ECP5
    extent_width = max(3, plan.extent.bit_length())
    if extent_width > 12:
        raise UserError(f"The network's maps reach {plan.extent} rows or columns; the engine counts to 4095.")
    config = EngineConfig(
        p=p,
        m=m,
        n=n,
        depth=depth,
        feature_depth=min(_round_up(plan.feature_words, 512 if ecp5 else 256), 65536),
        tap_depth=_round_up(plan.tap_count, 512 if ecp5 else 256),
        extent_width=extent_width,
        group_width=max(plan.most_groups - 1, 1).bit_length(),
        accumulator_width=max(accumulator_width, 12),
        multiplier_width=requantizer.multiplier_width,
        shifts=requantizer.shifts,
        nudge=requantizer.nudge,
        requantizer_digit=budget.requantizer_digit,
        multiplier_latency=budget.multiplier_latency,
        weight_memory=budget.weight_memory,
        pooling=any(isinstance(node, MaxPool) for node in graph.nodes),
        adding=any(isinstance(node, Add) for node in graph.nodes),
    )
    config = replace(config, logic_dots=needed_logic_dots(config, budget.family, budget.multipliers))
    weight_words = plan.weight_words(config.parameter_words)
    weight_step = 16384 if budget.weight_memory == "spram" else 512 if ecp5 else 256
    config = replace(config, weight_depth=min(_round_up(weight_words, weight_step), 65536))
    # A descriptor's size depends on the address widths that are now known.
    program_words = 2 + (plan.descriptors + 1) * descriptor_words(config)
    return replace(config, program_depth=_round_up(program_words, 512 if ecp5 else 256))


def _kib(words: int, width: int) -> str:
    return f"{words * width / 8192:.1f} KiB"


def _explain_misfit(
    plan: NetworkPlan, config: EngineConfig, resources: EngineResources, budget: Budget, ways: Sequence[str]
) -> str:
    """What is short, what needs it and how much there is; then what would fit."""
    sentences = []
    weight_words = plan.weight_words(config.parameter_words)
    weight_bits = 32 * config.weight_segments
    features = config.p * block_rams(budget.family, config.word_width, config.feature_depth, 8)
    if weight_words > 65536 or resources.single_port_rams > budget.single_port_rams:
        largest = max(plan.layers, key=lambda layer: layer.weight_words)
        abreast = -(-weight_bits // 16)
        needs = (
            f"the weights need {weight_words} words of {config.weight_width} bits "
            f"({_kib(weight_words, config.weight_width)}; largest: node {largest.node.name!r} with {largest.weight_words} words)"
        )
        if not resources.single_port_rams:
            sentences.append(f"{needs}, {weight_words - 65536} more than the 65536 that can be addressed")
        elif abreast > budget.single_port_rams:
            sentences.append(
                f"{needs}, and a word of {config.weight_width} bits needs {abreast} single-port RAMs, {budget.name} has "
                f"{budget.single_port_rams}"
            )
        else:
            room = min(16384 * (budget.single_port_rams // abreast), 65536)
            sentences.append(f"{needs}, {weight_words - room} more than the {room} that {budget.name} has room for")
    if plan.feature_words > 65536:
        layer, words = plan.largest_step
        sentences.append(
            f"the maps of node {layer.node.name!r} need {words} words in each of {config.p} banks "
            f"({_kib(words * config.p, config.word_width)}), {words - 65536} more than the 65536 that can be addressed"
        )
    if resources.block_rams > budget.block_rams:
        layer, words = plan.largest_step
        weights = ""
        if not resources.single_port_rams:
            count = block_rams(budget.family, weight_bits, config.weight_depth, 32)
            weights = f", {count} for weights ({_kib(weight_words, config.weight_width)})"
        capped = weight_words > config.weight_depth or plan.feature_words > config.feature_depth
        sentences.append(
            f"the memories need {'at least ' if capped else ''}{resources.block_rams} block RAMs, {resources.block_rams - budget.block_rams} more than the "
            f"{budget.block_rams} of {budget.name}: {features} for maps (largest at node {layer.node.name!r}: "
            f"{_kib(words * config.p, config.word_width)}){weights}"
        )
    if resources.multipliers > budget.multipliers:
        sentences.append(
            f"the array {config.p},{config.m},{config.n} needs {resources.multipliers} multipliers, {budget.name} has "
            f"{budget.multipliers}"
        )
    if resources.luts > budget.luts:
        sentences.append(f"about {resources.luts} LUTs are needed, {budget.luts} of {budget.name} may be used")
    remedy = f"What fits: {' or '.join(ways)}." if ways else "No board and array that Macaw knows holds it: use a smaller network."
    return f"The network does not fit: {'; '.join(sentences)}. {remedy}"


def _fits(config: EngineConfig, plan: NetworkPlan, resources: EngineResources, budget: Budget) -> bool:
    return (
        resources.luts <= budget.luts
        and resources.block_rams <= budget.block_rams
        and resources.multipliers <= budget.multipliers
        and resources.single_port_rams <= budget.single_port_rams
        and plan.weight_words(config.parameter_words) <= config.weight_depth
        and plan.feature_words <= config.feature_depth
    )


def _legal(graph: Graph, array: tuple[int, int, int]) -> None:
    names = ("p", "m", "n")
    for name, value in zip(names, array, strict=True):
        if not 1 <= value <= 64:
            raise UserError(f"--array is p,m,n with each from 1 to 64; {name} is {value}.")
    for node in graph.nodes:
        groups = -(-graph.tensors[node.output].shape[2] // array[2])
        words = -(-graph.tensors[node.input].shape[2] // array[1])
        if max(groups, words) > _MOST_GROUPS:
            raise UserError(
                f"Node {node.name!r} has {max(groups, words)} channel groups with --array {','.join(map(str, array))}; an "
                f"engine counts to {_MOST_GROUPS}: choose a larger m or n."
            )


def _nearest_array(
    graph: Graph, budget: Budget, depth: int, requantizer: RequantizerParameters, accumulator_width: int
) -> tuple[int, int, int]:
    """The array that misses the budget by the smallest factor: the one to explain when none fits."""
    factors: dict[tuple[int, int, int], float] = {}
    for array in ((p, m, n) for p in (1, 2, 4) for m in _M for n in _N):
        try:
            _legal(graph, array)
        except UserError:
            continue
        plan = plan_network(graph, *array)
        config = size_engine(graph, plan, array, depth, budget, requantizer, accumulator_width)
        resources = engine_resources(config, budget.family)
        factors[array] = max(
            resources.luts / budget.luts,
            resources.block_rams / budget.block_rams,
            resources.multipliers / budget.multipliers,
            resources.single_port_rams / max(budget.single_port_rams, 1),
            plan.weight_words(config.parameter_words) / config.weight_depth,
            plan.feature_words / config.feature_depth,
        )
    return min(factors, key=lambda array: factors[array], default=(1, 1, 1))


def choose_array(
    graph: Graph,
    budget: Budget,
    depth: int,
    requantizer: RequantizerParameters,
    accumulator_width: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Candidate]:
    """Engines that fit ``budget``, fewest cycles first (then fewest LUTs); at most ten.

    Tries p of 1..8, 10, 12, 16, m of 1, 2, 4 .. 32, n of 1, 2, 4 .. 16.
    """
    arrays = [
        (p, m, n)
        for p in _P for m in _M for n in _N
        if p * m * n <= 1024
    ]  # fmt: skip
    found: list[Candidate] = []
    ideal = sum(plan_products(graph))
    arrays.sort(key=lambda array: -array[0] * array[1] * array[2])
    for done, array in enumerate(arrays):
        if progress:
            progress(done, len(arrays))
        p, m, n = array
        # Cheap bounds first: products that no engine of this size can beat, look-up tables that the device has not got.
        if len(found) >= 10 and ideal / (p * m * n) > found[9].cycles:
            continue
        rough = EngineConfig(
            p=p, m=m, n=n, accumulator_width=max(accumulator_width, 12), multiplier_width=requantizer.multiplier_width,
            shifts=requantizer.shifts, nudge=requantizer.nudge, requantizer_digit=budget.requantizer_digit, weight_memory=budget.weight_memory,
            weight_depth=16384, feature_depth=2, pooling=False,
        )  # fmt: skip
        rough = replace(rough, logic_dots=needed_logic_dots(rough, budget.family, budget.multipliers))
        if engine_resources(rough, budget.family).luts > budget.luts:
            continue
        try:
            _legal(graph, array)
        except UserError:
            continue
        plan = plan_network(graph, *array)
        if plan.feature_words > 65536:
            continue
        config = size_engine(graph, plan, array, depth, budget, requantizer, accumulator_width)
        resources = engine_resources(config, budget.family)
        if not _fits(config, plan, resources, budget):
            continue
        _, cycles = _cycles(plan, config)
        found.append(Candidate(config=config, resources=resources, cycles=cycles))
        found.sort(key=lambda candidate: (candidate.cycles, candidate.resources.luts))
    if progress:
        progress(len(arrays), len(arrays))
    return found[:10]


def plan_products(graph: Graph) -> list[int]:
    """Multiplications of each node."""
    return [
        int(np.prod(graph.tensors[node.output].shape)) * node.products_per_output
        if isinstance(node, Convolution)
        else 0
        for node in graph.nodes
    ]


def compile_graph(
    graph: Graph,
    budget: Budget,
    *,
    array: tuple[int, int, int] | None = None,
    depth: int = 1,
    others: Sequence[Budget] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Compilation:
    """Compiles ``graph`` for a device.

    Without ``array`` the fastest one that fits is chosen. ``others`` are devices to name in a message that it does not fit.

    Raises
    ------
    UserError
        The network or the array does not fit; ModelError for what no engine can run.
    """
    if not graph.nodes:
        raise UserError(f"The model {graph.source} has no layer for the engine: there is nothing to build.")
    if not 1 <= depth <= 64:
        raise UserError(f"--depth is the number of pixel groups that share a weight fetch, from 1 to 64, not {depth}.")
    accumulator_width = required_accumulator_width(graph)
    requantizer = requantizer_parameters(graph)
    candidates: list[Candidate] = []
    if array is None:
        candidates = choose_array(graph, budget, depth, requantizer, accumulator_width, progress)
        chosen = (
            candidates[0].array
            if candidates
            else _nearest_array(graph, budget, depth, requantizer, accumulator_width)
        )
    else:
        chosen = array
    _legal(graph, chosen)
    plan = plan_network(graph, *chosen)
    config = size_engine(graph, plan, chosen, depth, budget, requantizer, accumulator_width)
    resources = engine_resources(config, budget.family)
    if not _fits(config, plan, resources, budget):
        ways = []
        if array is not None and (smaller := choose_array(graph, budget, depth, requantizer, accumulator_width)):
            ways.append(f"--array {','.join(map(str, smaller[0].array))}")
        ways += [
            f"--board {other.name}"
            for other in others
            if other.name != budget.name and _fits_elsewhere(graph, other, array, depth, requantizer, accumulator_width)
        ]
        raise UserError(_explain_misfit(plan, config, resources, budget, ways))
    certified = requantize(graph, config)
    program = assemble(config, plan, certified)
    layers, cycles = _cycles(plan, config)
    return Compilation(
        graph=graph,
        config=config,
        program=program,
        certified=certified,
        layer_cycles=layers,
        cycles=cycles,
        resources=resources,
        candidates=tuple(candidates),
    )


def _fits_elsewhere(
    graph: Graph,
    budget: Budget,
    array: tuple[int, int, int] | None,
    depth: int,
    requantizer: RequantizerParameters,
    accumulator_width: int,
) -> bool:
    if array is None:
        return bool(choose_array(graph, budget, depth, requantizer, accumulator_width))
    plan = plan_network(graph, *array)
    config = size_engine(graph, plan, array, depth, budget, requantizer, accumulator_width)
    return _fits(config, plan, engine_resources(config, budget.family), budget)
