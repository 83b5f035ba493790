"""Which weights stay in the weight buffer and which are streamed into it from an external memory, pass by pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..hw.config import EngineConfig
from ..sim.cost.cycles import LayerCycles, layer_cycles
from ..sim.cost.external_memory import ExternalMemory
from ..sim.cost.weight_stream import BlockLoad, streamed_passes
from .layer_plan import LayerPlan, OutputRun
from .network_plan import NetworkPlan

__all__ = ["PassWeights", "StreamBlock", "WeightPlan", "plan_weights", "streamed_cycles"]

MOST_PASSES = 65535
"""Passes and blocks that the engine counts."""

_PIECES = (2, 4, 8)
"""The largest block is so many times smaller than the part of the buffer that is streamed into."""

_PINNED = (0.0, 0.5, 0.875)
"""Shares of the buffer that the weights that stay may take."""


@dataclass(frozen=True, kw_only=True)
class PassWeights:
    """A pass's (descriptor's) weights: their first word in the buffer, and how many blocks must have come before it starts."""

    first: int
    transfers: int


@dataclass(frozen=True, kw_only=True)
class StreamBlock:
    """The weights of an output run of a layer, by its place in the plan: words ``first`` to ``first + words - 1`` of the buffer,
    written when ``after`` passes have finished."""

    layer: int
    run: OutputRun
    first: int
    words: int
    after: int


@dataclass(frozen=True, kw_only=True)
class WeightPlan:
    """Where the weights of every pass come from.

    ``network``: the plan with runs cut to the size of blocks. ``pinned``: first word of each run that the host loads once, by
    layer and run. ``pinned_words``: these all. ``blocks``: in the order in which they come. ``passes``: of the program, in order.
    """

    network: NetworkPlan
    pinned: dict[tuple[int, OutputRun], int]
    pinned_words: int
    blocks: tuple[StreamBlock, ...]
    passes: tuple[PassWeights, ...]

    def loads(self, config: EngineConfig) -> list[BlockLoad]:
        """The blocks as the cycle model sees them."""
        return [BlockLoad(words=block.words * config.weight_segments, after=block.after) for block in self.blocks]


def group_words(plan: LayerPlan, run: OutputRun, parameter_words: int) -> int:
    """Words of the weight buffer for one output group of a run."""
    return run.words * plan.kernel_positions + parameter_words if plan.multiplies else 0


def _pieces(run: OutputRun, most: int) -> list[OutputRun]:
    """A run as runs of at most ``most`` groups, about equally many. A piece begins with a period or ends in the one it begins in."""
    if run.groups <= most:
        return [run]
    pieces = []
    whole = min(-(-run.groups // -(-run.groups // most)), most)
    if whole >= run.period:
        whole -= whole % run.period
    start = 0
    while start < run.groups:
        count = min(whole, run.groups - start)
        if whole < run.period:
            count = min(count, run.period - start % run.period)
        pieces.append(
            replace(
                run,
                first_group=run.first_group + start,
                groups=count,
                first_word=run.first_word + start // run.period * run.period_words,
            )
        )
        start += count
    return pieces


def _ring(network: NetworkPlan, sizes: dict[int, list[int]], pinned: dict[tuple[int, OutputRun], int], begin: int, end: int) -> tuple[list[StreamBlock], list[PassWeights]]:  # fmt: skip
    """Blocks and passes: each run that is not pinned lies behind the one before, or at ``begin`` where it does not fit; passes
    in a row that need the same run share it."""
    blocks: list[StreamBlock] = []
    last_use: list[int] = []
    passes: list[PassWeights] = []
    place = begin
    held = None
    for index, plan in enumerate(network.layers):
        words = dict(zip(plan.runs, sizes[index], strict=True))
        for _, run in plan.passes:
            first = 0
            if (index, run) in pinned:
                first = pinned[index, run]
            elif words[run]:
                if held != (index, run):
                    if place + words[run] > end:
                        place = begin
                    after = max(
                        (
                            use + 1
                            for block, use in zip(blocks, last_use, strict=True)
                            if block.first < place + words[run] and place < block.first + block.words
                        ),
                        default=0,
                    )
                    blocks.append(StreamBlock(layer=index, run=run, first=place, words=words[run], after=after))
                    last_use.append(0)
                    place += words[run]
                    held = index, run
                first = blocks[-1].first
                last_use[-1] = len(passes)
            passes.append(PassWeights(first=first, transfers=len(blocks) if words[run] and (index, run) not in pinned else 0))
    return blocks, passes


def plan_weights(network: NetworkPlan, parameter_words: int, depth: int, share: float, pieces: int) -> WeightPlan | None:
    """Weights in a buffer of ``depth`` words: layers in order stay in it, as far as they fit ``share`` of it, those that tiles
    read several times before others; the rest streams through what is left in blocks of at most a ``pieces``-th of it.

    None if an output group is larger than half of what is left.
    """
    total = {
        index: sum(run.groups * group_words(plan, run, parameter_words) for run in plan.runs)
        for index, plan in enumerate(network.layers)
    }
    kept: set[int] = set()
    room = int(share * depth)
    for index in sorted(total, key=lambda index: (-len(network.layers[index].tiles), index)):
        if 0 < total[index] <= room:
            kept.add(index)
            room -= total[index]
    pinned_words = sum(total[index] for index in kept)
    left = depth - pinned_words
    layers = []
    sizes: dict[int, list[int]] = {}
    pinned: dict[tuple[int, OutputRun], int] = {}
    place = 0
    for index, plan in enumerate(network.layers):
        runs: list[OutputRun] = []
        for run in plan.runs:
            size = group_words(plan, run, parameter_words)
            if index in kept:
                pinned[index, run] = place
                place += run.groups * size
            elif 2 * size > left:
                return None
            runs += [run] if index in kept or not size else _pieces(run, max(left // pieces // size, 1))
        sizes[index] = [run.groups * group_words(plan, run, parameter_words) for run in runs]
        layers.append(replace(plan, runs=tuple(runs)))
    cut = replace(network, layers=tuple(layers))
    blocks, passes = _ring(cut, sizes, pinned, pinned_words, depth)
    return WeightPlan(
        network=cut, pinned=pinned, pinned_words=pinned_words, blocks=tuple(blocks), passes=tuple(passes)
    )  # fmt: skip


def weight_plans(network: NetworkPlan, parameter_words: int, depth: int) -> list[WeightPlan]:
    """All ways that are tried; empty if an output group is larger than half of the buffer."""
    found: dict[tuple[StreamBlock, ...], WeightPlan] = {}
    for share in _PINNED:
        for pieces in _PIECES:
            plan = plan_weights(network, parameter_words, depth, share, pieces)
            if plan is not None and plan.blocks and len(plan.passes) <= MOST_PASSES:
                found.setdefault(plan.blocks, plan)
    return list(found.values())


def streamed_cycles(
    config: EngineConfig, plan: WeightPlan, memory: ExternalMemory, *, rough: bool = False
) -> tuple[LayerCycles, ...]:
    """The cycle model's breakdown for each layer, waiting included; ``rough``: waiting by the memory's average rate."""
    passes: list[LayerCycles] = []
    counts = []
    for layer in plan.network.layers:
        done = {run: layer_cycles(config, layer.loops(layer.tiles[0], run)) for run in layer.runs} if len(layer.tiles) == 1 else {}
        for tile, run in layer.passes:
            passes.append(done[run] if run in done else layer_cycles(config, layer.loops(tile, run)))
        counts.append(len(layer.passes))
    streamed = streamed_passes(config, passes, [item.transfers for item in plan.passes], plan.loads(config), memory, rough=rough)
    return tuple(_sum(streamed[sum(counts[:i]) : sum(counts[: i + 1])]) for i in range(len(counts)))


def _sum(parts: Sequence[LayerCycles]) -> LayerCycles:
    return sum(parts, LayerCycles())
