"""Which weights stay in the weight buffer and which are streamed into it from an external memory, pass by pass, and when rows of
maps move to that memory and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..hw.config import EngineConfig
from ..hw.external.external_map import ExternalMap
from ..hw.external.memory_port import MOST_WORDS
from ..hw.external.weight_stream import BLOCK_HEAD, BURST_WORDS, MAP_HEAD
from ..sim.cost.cycles import LayerCycles, layer_cycles
from ..sim.cost.external_memory import ExternalMemory
from ..sim.cost.weight_stream import BlockLoad, RowTransfer, streamed_passes
from .layer_plan import LayerPlan, OutputRun
from .network_plan import NetworkPlan, RowMove

__all__ = ["MoveBlock", "PassWeights", "StreamBlock", "WeightPlan", "plan_weights", "streamed_cycles"]

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
class MoveBlock:
    """Rows of a map that move when ``after`` passes have finished, before the next one begins."""

    move: RowMove
    after: int

    @property
    def layer(self) -> int:
        """The layer that reads or has made them."""
        return self.move.layer


@dataclass(frozen=True, kw_only=True)
class WeightPlan:
    """Where the weights of every pass come from.

    ``network``: the plan with runs cut to the size of blocks. ``pinned``: first word of each run that the host loads once, by
    layer and run. ``pinned_words``: these all. ``blocks``: in the order in which they come. ``passes``: of the program, in order.
    """

    network: NetworkPlan
    pinned: dict[tuple[int, OutputRun], int]
    pinned_words: int
    blocks: tuple[StreamBlock | MoveBlock, ...]
    passes: tuple[PassWeights, ...]

    def stream_words(self, config: EngineConfig) -> int:
        """32-bit words of the weight stream: tag, blocks with head and checksum, filled up to whole bursts."""
        heads = {StreamBlock: BLOCK_HEAD.size, MoveBlock: BLOCK_HEAD.size + MAP_HEAD.size}
        words = 1
        for block in self.blocks:
            words += heads[type(block)] // 32 + 1
            words += block.words * config.weight_segments if isinstance(block, StreamBlock) else 0
        return -(-words // BURST_WORDS) * BURST_WORDS

    def spilled(self, config: EngineConfig) -> dict[str, ExternalMap]:
        """The maps in the external memory, behind the stream."""
        place = self.stream_words(config)
        maps = {}
        for name, layout in self.network.spilled.items():
            maps[name] = ExternalMap(layout=layout, first=-(-place // MOST_WORDS) * MOST_WORDS)
            place = maps[name].first + maps[name].size
        return maps

    def external_words(self, config: EngineConfig) -> int:
        """Words of the external memory in use."""
        return max([self.stream_words(config), *(item.first + item.size for item in self.spilled(config).values())])

    def loads(self, config: EngineConfig) -> list[BlockLoad | RowTransfer]:
        """The blocks as the cycle model sees them."""
        maps = self.spilled(config)
        return [
            BlockLoad(words=block.words * config.weight_segments, after=block.after)
            if isinstance(block, StreamBlock)
            else row_transfer(block, maps[block.move.name])
            for block in self.blocks
        ]


def row_transfer(block: MoveBlock, place: ExternalMap) -> RowTransfer:
    """A move as the prefetcher does it."""
    move = block.move
    return RowTransfer(
        storing=move.storing,
        first=place.first + move.first_word * place.plane_words + move.first * place.row_words,
        plane_words=move.rows * place.row_words,
        planes=move.words,
        step=place.plane_words,
        after=block.after,
    )


def group_words(plan: LayerPlan, run: OutputRun, parameter_words: int) -> int:
    """Words of the weight buffer for one output group of a run."""
    return run.words * plan.kernel_positions + parameter_words if plan.multiplies else 0


def _pieces(run: OutputRun, most: int, unit: int = 1) -> list[OutputRun]:
    """A run as runs of at most ``most`` groups, about equally many, in multiples of ``unit``, of which there is room for one. A piece
    begins with a period or ends in the one it begins in."""
    if run.groups <= most:
        return [run]
    pieces = []
    whole = min(-(-run.groups // -(-run.groups // most)), most)
    whole = max(whole - whole % unit, unit)
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


def _ring(network: NetworkPlan, sizes: dict[int, list[int]], pinned: dict[tuple[int, OutputRun], int], begin: int, end: int) -> tuple[list[StreamBlock | MoveBlock], list[PassWeights]]:  # fmt: skip
    """Blocks and passes: each run that is not pinned lies behind the one before, or at ``begin`` where it does not fit; passes
    in a row that need the same run share it. A move comes in front of weights that may be written as early."""
    blocks: list[StreamBlock] = []
    moves: list[MoveBlock] = []
    last_use: list[int] = []
    found: list[tuple[int, int | None]] = []  # of each pass: first word, block
    words = [dict(zip(plan.runs, sizes[index], strict=True)) for index, plan in enumerate(network.layers)]
    place = begin
    held = None
    for step in network.steps():
        if isinstance(step, RowMove):
            moves.append(MoveBlock(move=step, after=len(found)))
            continue
        index, run = step.layer, step.run
        size = words[index][run]
        if (index, run) in pinned or not size:
            found.append((pinned.get((index, run), 0), None))
            continue
        if held != (index, run):
            if place + size > end:
                place = begin
            after = max(
                (
                    use + 1
                    for block, use in zip(blocks, last_use, strict=True)
                    if block.first < place + size and place < block.first + block.words
                ),
                default=0,
            )
            blocks.append(StreamBlock(layer=index, run=run, first=place, words=size, after=after))
            last_use.append(0)
            place += size
            held = index, run
        last_use[-1] = len(found)
        found.append((blocks[-1].first, len(blocks) - 1))
    unsorted: list[StreamBlock | MoveBlock] = [*moves, *blocks]
    order = sorted(unsorted, key=lambda block: block.after)
    number = {id(block): count for count, block in enumerate(order, 1)}
    needs = [0 if block is None else number[id(blocks[block])] for _, block in found]
    for move in moves:
        needs[move.after] = max(needs[move.after], number[id(move)])
    passes = [PassWeights(first=first, transfers=need) for (first, _), need in zip(found, needs, strict=True)]
    return order, passes


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
    weights_first = {segment.first for segment in network.segments if segment.weights_first}
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
            unit = plan.word_groups if index in weights_first else 1
            if index not in kept and 2 * size * unit > left:
                return None
            runs += [run] if index in kept or not size else _pieces(run, max(left // pieces // size, unit), unit)
        sizes[index] = [run.groups * group_words(plan, run, parameter_words) for run in runs]
        layers.append(replace(plan, runs=tuple(runs)))
    cut = replace(network, layers=tuple(layers))
    blocks, passes = _ring(cut, sizes, pinned, pinned_words, depth)
    return WeightPlan(
        network=cut, pinned=pinned, pinned_words=pinned_words, blocks=tuple(blocks), passes=tuple(passes)
    )  # fmt: skip


def weight_plans(network: NetworkPlan, parameter_words: int, depth: int) -> list[WeightPlan]:
    """All ways that are tried; empty if an output group is larger than half of the buffer."""
    found: dict[tuple[StreamBlock | MoveBlock, ...], WeightPlan] = {}
    for share in (*_PINNED, 1.0) if network.spilled else _PINNED:
        for pieces in _PIECES:
            plan = plan_weights(network, parameter_words, depth, share, pieces)
            if plan is not None and plan.blocks and max(len(plan.passes), len(plan.blocks)) <= MOST_PASSES:
                found.setdefault(plan.blocks, plan)
    return list(found.values())


def streamed_cycles(
    config: EngineConfig, plan: WeightPlan, memory: ExternalMemory, *, rough: bool = False
) -> tuple[LayerCycles, ...]:
    """The cycle model's breakdown for each layer, waiting included; ``rough``: waiting by the memory's average rate."""
    network = plan.network
    steps = network.passes()
    found: dict[tuple[int, OutputRun, int], LayerCycles] = {}
    for step in steps:
        key = step.layer, step.run, step.tile.rows
        if key not in found:
            found[key] = layer_cycles(config, network.layers[step.layer].loops(step.tile, step.run))
    passes = [found[step.layer, step.run, step.tile.rows] for step in steps]
    loads = plan.loads(config)
    streamed = streamed_passes(config, passes, [item.transfers for item in plan.passes], loads, memory, rough=rough)
    layers = [LayerCycles()] * len(network.layers)
    for step, cycles in zip(steps, streamed, strict=True):
        layers[step.layer] += cycles
    for block, load in zip(plan.blocks, loads, strict=True):
        layers[block.layer] += load.traffic
    return tuple(layers)
