"""Plans for feature buffers that are too small for a network's maps: segments of layers run tile by tile, with the maps between them
in windows of rows; maps from segment to segment stay whole where they are small, and else lie in the external memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from ..hw.config import EngineConfig
from ..hw.external.external_map import ExternalMap
from ..hw.memory.map_layout import MapLayout
from ..sim.cost.cycles import layer_cycles
from .allocation import Lifetime, allocate
from .graph import Add, Node
from .layer_plan import LayerPlan, RowTile, addition_taps, row_tile
from .network_plan import MapPlanner, NetworkPlan, RowMove, Segment
from .row_tiling import SegmentTile, segment_tiles

__all__ = ["MapSpiller"]

_LONGEST = 12
"""Layers of a segment of several tiles."""

_BLOCKS = 4
"""Parts of the weight buffer that a run of weights is cut to, about."""

_MOVE_CYCLES = 60
"""About what a move costs besides its words."""

_SLACK = (1.0, 0.94, 0.86)
"""Parts of the buffer that the sums of sizes may reach, one after the other: not every address can be used."""


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Layers ``first`` to ``last`` in tiles of ``rows`` output rows. ``windows``: rows of each map that lies in a window;
    ``kept``: maps that nobody else reads and that are whole all the same. ``weights_first``: as of a Segment. ``cycles``: roughly."""

    first: int
    last: int
    rows: int
    tiles: tuple[SegmentTile, ...]
    windows: Mapping[str, int]
    kept: frozenset[str]
    weights_first: bool
    cycles: float


class MapSpiller:
    """Spilled plans of one network on one array.

    Parameters
    ----------
    planner : MapPlanner
        Of the legalized graph.
    config : EngineConfig
        Whose cycles count.
    word_cycles : float
        Of a word of the external memory.
    """

    def __init__(self, planner: MapPlanner, config: EngineConfig, word_cycles: float) -> None:
        self.planner, self.config, self.word_cycles = planner, config, word_cycles
        self.nodes = planner.nodes
        self.plans = [planner.plan(node) for node in self.nodes]
        self.makers: dict[str, list[int]] = {name: [] for name in planner.wholes}
        self.readers: dict[str, list[int]] = {name: [] for name in planner.wholes}
        for index, node in enumerate(self.nodes):
            self.makers[self._whole(node.output)].append(index)
            for name in node.inputs:
                self.readers[self._whole(name)].append(index)
        self.makers[self._whole(planner.graph.input)].append(-1)
        self.readers[self._whole(planner.graph.output)].append(len(self.nodes))
        self._cycles: dict[tuple[int, int], float] = {}

    def _whole(self, name: str) -> str:
        return self.planner.places[name].whole

    def _external(self, name: str) -> ExternalMap:
        return ExternalMap(layout=self.planner.wholes[name])

    def plan(self, capacity: int, largest: int, weight_words: int, *, weights_first: bool = False) -> NetworkPlan | None:
        """A plan for a buffer of ``capacity`` addresses in a bank, in which maps of more than ``largest`` addresses go through the
        external memory from segment to segment; None if there is none. ``weight_words``: words of the weight buffer, with which
        the weights that tiles read again are estimated. ``weights_first``: whether layers may read their rows again instead."""
        for slack in _SLACK:
            spans = _Spans(self, int(slack * capacity), largest, weight_words, weights_first).best()
            if spans is None:
                return None
            plan = self._build(spans, largest)
            if plan.feature_words <= capacity:
                return plan
        return None

    def crosses(self, name: str, first: int, last: int) -> bool:
        """Whether layers outside of ``first`` .. ``last`` make or read the map."""
        return min(self.makers[name]) < first or max(self.readers[name], default=-1) > last

    def leaves(self, name: str, largest: int) -> bool:
        """Whether the map, made in one segment and read in another, goes through the external memory."""
        return self.planner.wholes[name].size > largest and name != self._whole(self.planner.graph.output)

    def tile_cycles(self, layer: int, rows: int) -> float:
        """Cycles of a layer for so many output rows."""
        if (layer, rows) not in self._cycles:
            plan, tile = self.plans[layer], RowTile(first=0, rows=rows, input_row=0, taps=())
            self._cycles[layer, rows] = sum(layer_cycles(self.config, plan.loops(tile, run)).total for run in plan.runs)
        return self._cycles[layer, rows]

    def _build(self, spans: Sequence[_Span], largest: int) -> NetworkPlan:
        wholes, nodes = self.planner.wholes, self.nodes
        lifetimes: dict[str, Lifetime] = {}

        def live(key: str, size: int, first: int, last: int) -> None:
            old = lifetimes.get(key, Lifetime(size=size, first=first, last=last))
            lifetimes[key] = Lifetime(size=size, first=min(old.first, first), last=max(old.last, last))

        for number, span in enumerate(spans):
            for index in range(span.first, span.last + 1):
                for name in {self._whole(item) for item in (*nodes[index].inputs, nodes[index].output)}:
                    key, height = _place(name, number, span)
                    whole = wholes[name]
                    size = whole.size if height is None else replace(whole, height=height).size
                    tiled = len(span.tiles) > 1 and (height is None or name in span.kept)
                    live(key, size, *((span.first, span.last) if tiled else (index, index)))
        for name, whole in wholes.items():
            if name in lifetimes:
                live(name, whole.size, min(self.makers[name]), max(self.readers[name], default=-1))
        bases = allocate(lifetimes)
        return _Assembly(self, spans, bases, largest).plan()


def _place(name: str, number: int, span: _Span) -> tuple[str, int | None]:
    """What a whole map is called in the allocation, and the rows of its window, None without."""
    return (f"{name}\n{number}", span.windows[name]) if name in span.windows else (name, None)


class _Spans:
    """The division into segments with the fewest cycles."""

    def __init__(self, spiller: MapSpiller, capacity: int, largest: int, weight_words: int, weights_first: bool) -> None:
        self.spiller, self.capacity, self.largest, self.weight_words = spiller, capacity, largest, weight_words
        self.weights_first = weights_first
        config = spiller.config
        wholes = spiller.planner.wholes
        self.lives = {
            name: (whole.size, min(spiller.makers[name]), max(spiller.readers[name], default=-1)) for name, whole in wholes.items()
        }
        self.row_sizes = {name: whole.words * whole.line_words for name, whole in wholes.items()}
        self.external = {name for name in wholes if spiller.leaves(name, largest)}
        self.weights = [
            (plan.weight_words + config.parameter_words * plan.parameter_groups) * config.weight_segments for plan in spiller.plans
        ]

    def best(self) -> list[_Span] | None:
        """From the first layer to the last; None if some layer does not fit in any way."""
        count = len(self.spiller.nodes)
        reached: list[tuple[float, list[_Span]] | None] = [(0.0, []), *([None] * count)]
        for last in range(count):
            for first in range(last, -1, -1):
                span = self._widest(first, last)
                if span is None or (len(span.tiles) > 1 and last - first >= _LONGEST):
                    if last - first >= _LONGEST:
                        break
                    continue
                before = reached[first]
                if before is None:
                    continue
                now = reached[last + 1]
                cycles = before[0] + span.cycles
                if now is None or cycles < now[0]:
                    reached[last + 1] = cycles, [*before[1], span]
        found = reached[count]
        return None if found is None else found[1]

    def _widest(self, first: int, last: int) -> _Span | None:
        """The tiles with the most rows that fit."""
        height = self.spiller.planner.layout(self.spiller.nodes[last].output).height
        heights = sorted({-(-height // tiles) for tiles in range(1, height + 1)})
        low, high = 0, len(heights)
        found = None
        whole = self._span(first, last, height)
        if whole is not None:
            return whole
        while low < high:
            middle = (low + high) // 2
            span = self._span(first, last, heights[middle])
            if span is None:
                high = middle
            else:
                found, low = span, middle + 1
        return found

    def _span(self, first: int, last: int, rows: int) -> _Span | None:
        spiller = self.spiller
        wholes = spiller.planner.wholes
        nodes = spiller.nodes[first : last + 1]
        used: dict[str, list[int]] = {}
        for index, node in enumerate(nodes, first):
            for item in (*node.inputs, node.output):
                used.setdefault(spiller._whole(item), []).append(index)
        crossing = {name for name in used if spiller.crosses(name, first, last)}
        external = crossing & self.external
        for name in external:
            here = [index for index in spiller.makers[name] if first <= index <= last]
            if here and len(here) < len(spiller.makers[name]):
                return None  # a concatenation whose parts are made in several segments
        leaving = frozenset(name for name in crossing if any(first <= index <= last for index in spiller.makers[name]))
        tiles = segment_tiles(spiller.planner, nodes, leaving, rows)
        windowed = {name for name in used if name in external or name not in crossing}
        kept: set[str] = set()
        if len(tiles) > 1:
            additions = [{spiller._whole(name) for name in node.inputs} for node in nodes if isinstance(node, Add)]
            while mixed := next((pair for pair in additions if len(pair & windowed - kept) == 1 < len(pair)), None):
                odd = mixed & windowed - kept
                if odd & external:
                    return None
                kept |= odd
        else:
            additions = []
        heights = {
            name: wholes[name].height
            if len(tiles) == 1 or name in kept
            else max(tile.held[name][1] - tile.held[name][0] for tile in tiles)
            for name in windowed
        }
        while pair := next((pair for pair in additions if len({heights[name] for name in pair & windowed}) > 1), None):
            heights |= dict.fromkeys(pair, max(heights[name] for name in pair))
        if self._peak(first, last, used, heights, kept, tiled=len(tiles) > 1) > self.capacity:
            return None
        orders = (False, True) if first == last and len(tiles) > 1 and self._cuts(first) else (False,)
        cycles = {order: self._span_cycles(first, last, tiles, external, leaving, order) for order in orders}
        order = min(orders, key=cycles.__getitem__)
        return _Span(
            first=first, last=last, rows=rows, tiles=tuple(tiles), windows=heights, kept=frozenset(kept), weights_first=order,
            cycles=cycles[order],
        )  # fmt: skip

    def _cuts(self, layer: int) -> bool:
        """Whether a layer's weights may be used run by run: every run reads all of its input, and its output is a map of its own."""
        plan = self.spiller.plans[layer]
        whole = self.spiller._whole(plan.node.output) == plan.node.output
        return self.weights_first and whole and plan.multiplies and len(plan.runs) == 1 and plan.runs[0].period >= plan.runs[0].groups

    def _peak(
        self, first: int, last: int, used: Mapping[str, list[int]], windows: Mapping[str, int], kept: set[str], *, tiled: bool
    ) -> int:
        """The most addresses that are in use in one layer of a segment."""
        change = [0] * (last - first + 2)

        def live(size: int, begin: int, end: int) -> None:
            change[max(begin, first) - first] += size
            change[min(end, last) - first + 1] -= size

        for name, (size, begin, end) in self.lives.items():
            if name in windows:
                place = (first, last) if tiled and name in kept else (min(used[name]), max(used[name]))
                live(self.row_sizes[name] * windows[name], *place)
            elif name in used:
                live(size, *((first, last) if tiled else (begin, max(end, *used[name]))))
            elif begin < first and end > last and name not in self.external:
                live(size, begin, end)
        return max(accumulate(change))

    def _span_cycles(
        self, first: int, last: int, tiles: Sequence[SegmentTile], external: set[str], leaving: frozenset[str], weights_first: bool
    ) -> float:
        """Roughly: the array and the weights side by side, the maps in between."""
        spiller = self.spiller
        moved = moves = 0
        again = sum(self.weights) > self.weight_words * spiller.config.weight_segments
        weights = sum(self.weights[first : last + 1])
        runs = -(-_BLOCKS * weights // (self.weight_words * spiller.config.weight_segments)) if weights_first else 1
        for name in external:
            place = spiller._external(name)
            for tile in tiles:
                low, high = tile.stored[name] if name in leaving else tile.held[name]
                moved += (high - low) * place.row_words * place.layout.words * (1 if name in leaving else runs)
                moves += runs
        read = weights * spiller.word_cycles if again else 0.0
        if weights_first:
            read /= len(tiles)
        work = sum(
            max(sum(spiller.tile_cycles(first + k, high - low) for k, (low, high) in enumerate(tile.computed)), read) for tile in tiles
        )
        return work + moved * spiller.word_cycles + moves * _MOVE_CYCLES


class _Assembly:
    """The network plan of segments whose maps have addresses."""

    def __init__(self, spiller: MapSpiller, spans: Sequence[_Span], bases: Mapping[str, int], largest: int) -> None:
        self.spiller, self.spans, self.bases, self.largest = spiller, spans, bases, largest

    def _layout(self, name: str, number: int) -> MapLayout:
        """Of a tensor or its window in a segment."""
        planner = self.spiller.planner
        place = planner.places[name]
        key, height = _place(place.whole, number, self.spans[number])
        whole = replace(planner.wholes[place.whole], base=self.bases[key])
        whole = whole if height is None else replace(whole, height=height)
        return whole if place.whole == name else whole.part(place.channel, planner.graph.tensors[name].shape[2])

    def _row(self, name: str, tile: SegmentTile, span: _Span) -> int:
        """The first row of a tensor in its window."""
        whole = self.spiller._whole(name)
        windowed = whole in span.windows and whole not in span.kept and len(span.tiles) > 1
        return tile.held[whole][0] if windowed else 0

    def _tile(self, node: Node, plan: LayerPlan, number: int, index: int, tile: SegmentTile) -> RowTile:
        span = self.spans[number]
        taps = plan.taps
        low, high = tile.computed[index - span.first]
        row = self._row(node.input, tile, span)
        if isinstance(node, Add):
            first, second = self._layout(node.input, number), self._layout(node.second, number)
            shift = (self._row(node.second, tile, span) - row) * first.line_words
            taps = addition_taps(plan.input, second.base - first.base - shift)
        made = row_tile(taps, plan.input, plan.stride[0], low, high - low)
        return replace(made, source_row=row, target_row=self._row(node.output, tile, span))

    def _moves(self, number: int, tile: SegmentTile) -> tuple[RowMove, ...]:
        spiller, span = self.spiller, self.spans[number]
        moves = []
        for name in span.windows:
            if not spiller.crosses(name, span.first, span.last):
                continue
            here = [index for index in spiller.makers[name] if index >= span.first]
            storing = bool(here) and max(here) <= span.last
            readers = [index for index in spiller.readers[name] if span.first <= index <= span.last]
            low, high = tile.stored[name] if storing else tile.held[name]
            if high > low:
                window = self._layout(name, number)
                moves.append(
                    RowMove(
                        layer=max(here) if storing else min(readers), name=name, storing=storing, first=low, rows=high - low,
                        first_word=0, words=window.words, window=window, window_row=self._row(name, tile, span),
                    )  # fmt: skip
                )
        return tuple(moves)

    def plan(self) -> NetworkPlan:
        """All of it."""
        spiller, planner = self.spiller, self.spiller.planner
        layers: list[LayerPlan] = []
        windows: dict[tuple[int, str], MapLayout] = {}
        segments = []
        for number, span in enumerate(self.spans):
            for index in range(span.first, span.last + 1):
                node, plan = spiller.nodes[index], spiller.plans[index]
                layers.append(replace(plan, tiles=tuple(self._tile(node, plan, number, index, tile) for tile in span.tiles)))
                for name in (*node.inputs, node.output):
                    if spiller._whole(name) in span.windows:
                        windows[index, name] = self._layout(name, number)
            moves = tuple(self._moves(number, tile) for tile in span.tiles)
            segments.append(Segment(first=span.first, last=span.last, moves=moves, weights_first=span.weights_first))
        return NetworkPlan(
            graph=planner.graph,
            layers=tuple(layers),
            maps={
                name: planner.layout(name, self.bases[place.whole])
                for name, place in planner.places.items()
                if place.whole in self.bases
            },
            segments=tuple(segments),
            windows=windows,
            spilled={move.name: planner.wholes[move.name] for segment in segments for part in segment.moves for move in part},
        )
