"""The smallest engine with a given array that holds a network, and whether a device has room for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ..hw.config import EngineConfig
from ..hw.control.descriptor import STRIDE_WIDTH, descriptor_words
from ..hw.errors import UserError
from ..hw.primitives.target import Family
from ..sim.cost.cycles import LayerCycles, layer_cycles, program_cycles
from ..sim.cost.external_memory import ExternalMemory
from ..sim.cost.resources import EngineResources, engine_resources, needed_logic_dots
from .budget import Budget
from .concatenation import may_need_copies
from .copy_layer import with_copy
from .graph import Add, Graph, MaxPool
from .network_plan import NetworkPlan
from .number_formats import EngineFormats, engine_formats
from .requantize import required_accumulator_width
from .requantizer_parameters import RequantizerParameters, requantizer_parameters
from .weight_streaming import WeightPlan, streamed_cycles

__all__ = ["MOST_WORDS", "EngineNeeds", "SizedEngine", "engine_needs", "excess", "least_engine", "memory_step", "round_up", "size_engine"]

MOST_WORDS = 65536
"""Words of a buffer that an engine can address."""

_MOST_GROUPS = 4096


@dataclass(frozen=True, kw_only=True)
class EngineNeeds:
    """What a network needs of every engine, whatever its array."""

    accumulator_width: int
    requantizer: RequantizerParameters
    pooling: bool
    adding: bool
    formats: EngineFormats = EngineFormats()


def engine_needs(graph: Graph) -> EngineNeeds:
    """The needs of a graph. Raises ModelError for layers that no engine can requantize."""
    formats = engine_formats(graph)
    if may_need_copies(graph):
        graph = with_copy(graph)
    return EngineNeeds(
        accumulator_width=max(required_accumulator_width(graph), 12),
        requantizer=requantizer_parameters(graph),
        pooling=any(isinstance(node, MaxPool) for node in graph.nodes),
        adding=any(isinstance(node, Add) for node in graph.nodes),
        formats=formats,
    )


def _share(need: int, room: int) -> float:
    """``need`` over ``room``; more than 1, and the more the greater the need, of anything where there is no room."""
    return need / room if room > 0 else need + bool(need)


def excess(resources: EngineResources, budget: Budget) -> float:
    """The largest of an engine's needs over what a device has."""
    return max(
        _share(resources.luts, budget.luts),
        _share(resources.block_rams, budget.block_rams),
        _share(resources.multipliers, budget.multipliers),
        _share(resources.single_port_rams, budget.single_port_rams),
    )


@dataclass(frozen=True, kw_only=True)
class SizedEngine:
    """An engine, the plan of a network on it, and what both need of a device.

    ``weights``, ``external``: how the weights are streamed, and from which memory; None if all stay on the chip.
    """

    config: EngineConfig
    plan: NetworkPlan
    resources: EngineResources
    weights: WeightPlan | None = None
    external: ExternalMemory | None = None

    def excess(self, budget: Budget) -> float:
        """The largest of all needs over what there is: at most 1 if the device has room for the engine, and the engine
        for the network."""
        return max(
            excess(self.resources, budget),
            0.0 if self.weights else self.plan.weight_words(self.config.parameter_words) / self.config.weight_depth,
            self.plan.feature_words / self.config.feature_depth,
        )

    @cached_property
    def layer_cycles(self) -> tuple[LayerCycles, ...]:
        """The cycle model's breakdown for each layer."""
        if self.weights is not None and self.external is not None:
            return streamed_cycles(self.config, self.weights, self.external)
        return tuple(
            sum((layer_cycles(self.config, layer.loops(tile, run)) for tile, run in layer.passes), LayerCycles())
            for layer in self.plan.layers
        )

    @cached_property
    def cycles(self) -> int:
        """What the cycle counter will show."""
        return program_cycles(self.config, self.layer_cycles)

    @property
    def slots(self) -> int:
        """Products that the array could make in these cycles: p x m x n in a cycle, more where a byte holds several values."""
        layers = zip(self.plan.layers, self.layer_cycles, strict=True)
        more = sum((layer.shape.packing - 1) * cycles.total for layer, cycles in layers)
        return self.config.p * self.config.m * self.config.n * (self.cycles + more)


def round_up(value: int, step: int) -> int:
    """The next multiple of ``step``, at least one."""
    return max(-(-value // step), 1) * step


def memory_step(budget: Budget) -> int:
    """Words of a block RAM: memories have multiples of it."""
    return 512 if budget.family in (Family.ECP5, Family.GOWIN, Family.NEXUS) else 256


def least_engine(needs: EngineNeeds, array: tuple[int, int, int], depth: int, budget: Budget) -> EngineConfig:
    """An engine with this array and memories of no use: no engine for the network is smaller."""
    p, m, n = array
    config = EngineConfig(
        p=p,
        m=m,
        n=n,
        depth=depth,
        feature_depth=2,
        weight_depth=2,
        program_depth=4,
        tap_depth=2,
        extent_width=3,
        group_width=1,
        accumulator_width=needs.accumulator_width,
        multiplier_width=needs.requantizer.multiplier_width,
        shifts=needs.requantizer.shifts,
        nudge=needs.requantizer.nudge,
        requantizer_digit=budget.requantizer_digit,
        multiplier_latency=budget.multiplier_latency,
        weight_memory=budget.weight_memory,
        # An iCE40 and a Gowin have no registers to spare.
        prefetch=budget.family is Family.ECP5,
        pooling=needs.pooling,
        adding=needs.adding,
        products=needs.formats.products,
        output_formats=needs.formats.output_formats,
        wrapping=needs.formats.wrapping,
    )
    return replace(config, logic_dots=needed_logic_dots(config, budget.family, budget.multipliers))


def size_engine(
    needs: EngineNeeds, plan: NetworkPlan, array: tuple[int, int, int], depth: int, budget: Budget
) -> SizedEngine:
    """The engine with the smallest memories, in whole blocks, that hold the network; where they would have more words
    than can be addressed, with as many as can.

    Raises UserError for maps, strides or counts of groups that an engine cannot count.
    """
    if steep := [layer.node.name for layer in plan.layers if max(layer.stride) >= 1 << STRIDE_WIDTH]:
        raise UserError(
            f"Node {steep[0]!r} has a stride of more than {(1 << STRIDE_WIDTH) - 1}, the most that an engine counts."
        )
    extent_width = max(3, plan.extent.bit_length())
    if extent_width > 12:
        raise UserError(f"The network's maps reach {plan.extent} rows or columns; the engine counts to 4095: use smaller maps.")
    if plan.most_groups > _MOST_GROUPS:
        layer = max(plan.layers, key=lambda layer: max(max(run.groups, run.words) for run in layer.runs))
        raise UserError(
            f"Node {layer.node.name!r} has {plan.most_groups} channel groups with --array {','.join(map(str, array))}; an "
            f"engine counts to {_MOST_GROUPS}: choose a larger m or n."
        )
    step = memory_step(budget)
    config = replace(
        least_engine(needs, array, depth, budget),
        feature_depth=min(round_up(plan.feature_words, step), MOST_WORDS),
        tap_depth=round_up(plan.tap_count, step),
        part_pitch=plan.part_pitch,
        extent_width=extent_width,
        group_width=max(plan.most_groups - 1, 1).bit_length(),
    )
    weight_words = plan.weight_words(config.parameter_words)
    weight_step = 16384 if budget.weight_memory == "spram" else step
    config = replace(config, weight_depth=min(round_up(weight_words, weight_step), MOST_WORDS))
    # A descriptor's size depends on the address widths that are now known.
    program_words = 2 + (plan.descriptors + 1) * descriptor_words(config)
    config = replace(config, program_depth=round_up(program_words, step))
    resources = engine_resources(config, budget.family)
    if not config.prefetch:
        # One memory for both, of a power of two words: taken where it needs fewer blocks.
        words = max(1 << (program_words + plan.tap_count - 1).bit_length(), step)
        if words <= 4096:
            shared = replace(config, program_depth=program_words, tap_depth=words - program_words, taps_in_program=True)
            if (found := engine_resources(shared, budget.family)).block_rams < resources.block_rams:
                config, resources = shared, found
    return SizedEngine(config=config, plan=plan, resources=resources)
