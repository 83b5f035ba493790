"""A whole graph on an array of p x m x n: layouts, layer plans and addresses; no memory size is known or needed yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import gcd

from ..hw.memory.map_layout import MapLayout
from .allocation import Handover, Lifetime, allocate
from .concatenation import ChannelPlace, channel_places, legalize
from .graph import Add, Concat, Convolution, Graph, Node
from .layer_plan import LayerPlan, OutputRun, RowTile, plan_layer
from .overlap import legal_distances
from .rephasing import reading_strides

__all__ = ["MapPlanner", "NetworkPlan", "PlannedPass", "RowMove", "Segment", "network_plans", "plan_network"]

_TILE_ROWS = (8, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True, kw_only=True)
class PlannedPass:
    """A descriptor: output groups ``run`` of rows ``tile`` of a layer, by its place in the plan."""

    layer: int
    tile: RowTile
    run: OutputRun


@dataclass(frozen=True, kw_only=True)
class RowMove:
    """Rows ``first`` .. ``first + rows - 1`` of words ``first_word`` .. ``first_word + words - 1`` of a map, between the external
    memory and a window in the feature buffer whose first row is ``window_row``: loaded before a layer, or stored after it."""

    layer: int
    name: str
    storing: bool
    first: int
    rows: int
    first_word: int
    words: int
    window: MapLayout
    window_row: int


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Layers ``first`` to ``last``, tile by tile: tile t is tile t of each of them. ``moves``: of each tile.

    ``weights_first``: one layer, output run by output run, in each all tiles: each weight is read once and the tiles' input rows
    several times, instead of the other way round. A run then ends with a word of the output map.
    """

    first: int
    last: int
    moves: tuple[tuple[RowMove, ...], ...]
    weights_first: bool = False

    def steps(self, layers: Sequence[LayerPlan]) -> Iterator[PlannedPass | RowMove]:
        """Passes and moves in order."""
        if self.weights_first:
            layer = layers[self.first]
            for run in layer.runs:
                words = layer.output_words(run)
                for tile, moves in zip(layer.tiles, self.moves, strict=True):
                    yield from (move for move in moves if not move.storing)
                    yield PlannedPass(layer=self.first, tile=tile, run=run)
                    yield from (
                        replace(move, first_word=words.start, words=len(words)) for move in moves if move.storing
                    )
            return
        for number, moves in enumerate(self.moves):
            for index in range(self.first, self.last + 1):
                yield from (move for move in moves if move.layer == index and not move.storing)
                for run in layers[index].runs:
                    yield PlannedPass(layer=index, tile=layers[index].tiles[number], run=run)
                yield from (move for move in moves if move.layer == index and move.storing)


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """Plans of all layers, in execution order, and the place of every tensor.

    ``graph``: the network with the copies that the array needs (compiler/concatenation.py). ``maps``: of the tensors that lie in
    the feature buffer as a whole. Where not all do: ``segments`` say in which order rows are computed and moved, ``windows`` where
    a layer, by its place, finds or leaves the rows of a tensor, and ``spilled`` what lies in the external memory.
    """

    graph: Graph
    layers: tuple[LayerPlan, ...]
    maps: Mapping[str, MapLayout]
    segments: tuple[Segment, ...] = ()
    windows: Mapping[tuple[int, str], MapLayout] = field(default_factory=dict)
    spilled: Mapping[str, MapLayout] = field(default_factory=dict)

    def place(self, layer: int, name: str) -> MapLayout:
        """Where a layer finds or leaves a tensor, or the rows of it that a tile needs."""
        return self.windows.get((layer, name)) or self.maps[name]

    def steps(self) -> Iterator[PlannedPass | RowMove]:
        """Everything that happens, in order."""
        if self.segments:
            for segment in self.segments:
                yield from segment.steps(self.layers)
        else:
            for index, layer in enumerate(self.layers):
                for tile, run in layer.passes:
                    yield PlannedPass(layer=index, tile=tile, run=run)

    def passes(self) -> list[PlannedPass]:
        """The descriptors, in order."""
        return [step for step in self.steps() if isinstance(step, PlannedPass)]

    @property
    def feature_words(self) -> int:
        """Addresses that the maps need in each bank."""
        return max(layout.base + layout.size for layout in (*self.maps.values(), *self.windows.values()))

    @property
    def largest_step(self) -> tuple[LayerPlan, int]:
        """The layer whose input and output maps together need the most addresses, and how many."""

        def words(plan: LayerPlan) -> int:
            source, target = self.maps[plan.node.input], self.maps[plan.node.output]
            shared = min(source.base + source.size, target.base + target.size) - max(source.base, target.base)
            return source.size + target.size - max(shared, 0)

        plan = max(self.layers, key=words)
        return plan, words(plan)

    def weight_words(self, parameter_words: int) -> int:
        """Words of the weight buffer, parameters included."""
        return sum(plan.weight_words + parameter_words * plan.parameter_groups for plan in self.layers)

    @property
    def tap_count(self) -> int:
        """Entries of the tap memory; equal lists are kept once."""
        return sum(len(taps) for taps in {tile.taps for plan in self.layers for tile in plan.tiles})

    @property
    def descriptors(self) -> int:
        """Descriptors of the program, without its end."""
        return sum(len(plan.passes) for plan in self.layers)

    @property
    def part_pitch(self) -> int:
        """EngineConfig.part_pitch: what divides the first bytes of all maps; 0 if all begin with a word."""
        return gcd(*(layout.first_byte for layout in (*self.maps.values(), *self.windows.values())))

    @property
    def most_groups(self) -> int:
        """The most output groups, or words in a pixel, of any layer."""
        return max(
            max(run.groups, run.words, run.period, plan.kernel_rows) for plan in self.layers for run in plan.runs
        )

    @property
    def extent(self) -> int:
        """The largest row or column number that the engine meets, padding and the last pixel group included."""
        p = self.layers[0].input.p
        return max(
            max(plan.input.height, plan.input.width, plan.output.height, plan.output.width)
            + p
            + max(max(abs(tap.row), abs(tap.column)) for tap in plan.taps)
            for plan in self.layers
        )


class MapPlanner:
    """One way to place a legalized graph's maps; see :func:`plan_network`. ``nodes``: its layers; ``places``: each tensor's place
    in a whole; ``wholes``: the layouts of these, with base 0."""

    def __init__(self, graph: Graph, p: int, m: int, n: int, in_place: bool = False, tile_rows: int = 0) -> None:
        self.graph, self.n, self.in_place, self.tile_rows = graph, n, in_place, tile_rows
        self.nodes = [node for node in graph.nodes if not isinstance(node, Concat)]
        self.places = channel_places(graph)
        strides = reading_strides(graph)
        phases = dict.fromkeys(graph.tensors, 1)
        for name, place in self.places.items():
            phases[place.whole] = max(phases[place.whole], *strides[name], 1)
        # Maps that lie for themselves; the others are parts of them.
        self.wholes = {
            name: MapLayout(
                p=p, m=m, height=graph.tensors[name].shape[0], width=graph.tensors[name].shape[1],
                channels=graph.tensors[name].shape[2], phases=phases[name], format=graph.tensors[name].format,
            )
            for name, place in self.places.items()
            if place == ChannelPlace(name, 0)
        }  # fmt: skip
        self.tiled: set[str] = set()
        if tile_rows:
            self._spread()

    def layout(self, name: str, base: int = 0) -> MapLayout:
        """The layout of a tensor whose whole begins at ``base``."""
        place = self.places[name]
        whole = replace(self.wholes[place.whole], base=base)
        return whole if place.whole == name else whole.part(place.channel, self.graph.tensors[name].shape[2])

    def _spread(self) -> None:
        """Chooses the layers to tile, and gives their maps, and those that share memory with them, planes with a gap for a
        tile and what the kernel reads around it."""
        families = {name: {name} for name in self.wholes}
        gaps: dict[str, int] = {}
        # Depthwise layers in place need about a plane more than the largest map; others may have as much.
        room = max(layout.size for layout in self.wholes.values())
        room += max((layout.plane_words for layout in self.wholes.values() if layout.words > 1), default=0)
        for node in self.nodes:
            source, target = self.layout(node.input), self.layout(node.output)
            if (source.height, source.line_words, source.phases) != (target.height, target.line_words, target.phases):
                continue
            together = set().union(*(families[self.places[name].whole] for name in (*node.inputs, node.output)))
            for name in together:
                families[name] = together
            # A depthwise layer is through with its input plane by plane, without tiles.
            if (
                isinstance(node, Convolution)
                and node.stride[0] == 1
                and node.groups < source.channels
                and source.size + target.size > room
            ):
                self.tiled.add(node.output)
                halo = max(node.padding[0], (node.weights.shape[1] - 1) * node.dilation[0] - node.padding[0])
                gaps[self.places[node.output].whole] = self.tile_rows + halo
        for name, layout in self.wholes.items():
            gap = max((gaps.get(other, 0) for other in families[name]), default=0)
            self.wholes[name] = replace(layout, pitch=(layout.height + gap) * layout.line_words)

    def plan(self, node: Node, distance: int = 0, tile_rows: int = 0) -> LayerPlan:
        """The plan of one layer, its maps at base 0."""
        second = node.second if isinstance(node, Add) else node.input
        return plan_layer(
            node, self.layout(node.input), self.layout(node.output), self.n, self.layout(second), distance, tile_rows
        )

    def _variants(self, node: Node) -> list[LayerPlan]:
        """The node in one piece; in tiles from the top, and from the bottom."""
        plans = [self.plan(node)]
        if node.output in self.tiled:
            down = self.plan(node, tile_rows=self.tile_rows)
            plans += [down, replace(down, tiles=down.tiles[::-1])]
        return plans

    def _lifetimes(self) -> dict[str, Lifetime]:
        steps: dict[str, list[int]] = {name: [] for name in self.wholes}
        for step, node in enumerate(self.nodes):
            for name in (*node.inputs, node.output):
                steps[self.places[name].whole].append(step)
        steps[self.places[self.graph.input].whole].append(-1)
        steps[self.places[self.graph.output].whole].append(len(self.nodes))
        return {
            name: Lifetime(size=layout.size, first=min(steps[name], default=-1), last=max(steps[name], default=-1))
            for name, layout in self.wholes.items()
        }

    def _between(self, source: str, target: str) -> int:
        """What the distance between two wholes has in front of that between two maps in them."""
        return self.layout(source).base - self.layout(target).base

    def _handovers(self, lifetimes: Mapping[str, Lifetime], variants: list[list[LayerPlan]]) -> Iterator[Handover]:
        for step, node in enumerate(self.nodes):
            target = self.places[node.output].whole
            for source in {self.places[name].whole for name in node.inputs}:
                inside = {name for name in node.inputs if self.places[name].whole == source}
                if lifetimes[source].last != step or lifetimes[target].first != step or len(inside) > 1:
                    continue
                name = inside.pop()
                found = {d for plan in variants[step] for d in legal_distances(plan, self.layout(name))}
                shift = self._between(name, node.output)
                yield Handover(source=source, target=target, distances=tuple(sorted(d + shift for d in found)))

    def _chosen(self, plans: list[LayerPlan], bases: Mapping[str, int]) -> LayerPlan:
        """The first variant that is right for the addresses."""
        node = plans[0].node
        target = self.places[node.output].whole
        overlapping = []
        for name in set(node.inputs):
            source = self.places[name].whole
            distance = bases[target] - bases[source]
            if source != target and -self.wholes[target].size < distance < self.wholes[source].size:
                overlapping.append((name, distance - self._between(name, node.output)))
        return next(
            plan
            for plan in plans
            if all(distance in legal_distances(plan, self.layout(name)) for name, distance in overlapping)
        )

    def run(self) -> NetworkPlan:
        """The plan."""
        lifetimes = self._lifetimes()
        variants = [self._variants(node) for node in self.nodes]
        bases = allocate(lifetimes, self._handovers(lifetimes, variants) if self.in_place else ())
        maps = {name: self.layout(name, bases[place.whole]) for name, place in self.places.items()}
        layers = []
        for node, plans in zip(self.nodes, variants, strict=True):
            plan = self._chosen(plans, bases)
            if isinstance(node, Add):
                plan = self.plan(node, maps[node.second].base - maps[node.input].base)
            layers.append(plan)
        return NetworkPlan(graph=self.graph, layers=tuple(layers), maps=maps)


def plan_network(graph: Graph, p: int, m: int, n: int, *, in_place: bool = False, tile_rows: int = 0) -> NetworkPlan:
    """Plans ``graph`` for an array.

    ``in_place``: a layer's output may take the place of an input that dies with it, as far as the order of reads and writes
    allows. ``tile_rows``: convolutions of stride 1 whose input and output need more than the largest map and a plane may be
    cut into tiles of so many rows, whose outputs take the place of rows that are dead already; costs descriptors.
    Raises ModelError where the engine has no way to run a node.
    """
    return MapPlanner(legalize(graph, m), p, m, n, in_place, tile_rows).run()


def network_plans(graph: Graph, p: int, m: int, n: int) -> Iterator[NetworkPlan]:
    """Plans of ``graph``, each needs less feature memory than those before it, and more of something else."""
    least = plan_network(graph, p, m, n)
    yield least
    for rows in (0, *_TILE_ROWS):
        plan = plan_network(graph, p, m, n, in_place=True, tile_rows=rows)
        if plan.feature_words < least.feature_words:
            least = plan
            yield plan
