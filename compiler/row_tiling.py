"""Which rows of each map a tile of a segment of layers needs, makes, loads and stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .graph import Convolution, MaxPool, Node
from .network_plan import MapPlanner

__all__ = ["Rows", "SegmentTile", "rows_read", "segment_tiles"]

Rows = tuple[int, int]
"""From a row to before another."""


@dataclass(frozen=True, kw_only=True)
class SegmentTile:
    """One tile: ``computed``: output rows of each layer; ``held``: rows of each whole map that lie in the feature buffer;
    ``stored``: rows of the maps that others read that this tile is the first to complete."""

    computed: tuple[Rows, ...]
    held: Mapping[str, Rows]
    stored: Mapping[str, Rows]


def rows_read(node: Node, rows: Rows, height: int) -> Rows:
    """Input rows that a node reads for output rows; at least one, for a window of padding reads something, too."""
    first, end = rows
    if isinstance(node, Convolution):
        size, stride, step, above = node.weights.shape[1], node.stride[0], node.dilation[0], node.padding[0]
    elif isinstance(node, MaxPool):
        size, stride, step, above = node.kernel[0], node.stride[0], 1, node.padding[0]
    else:
        return rows
    low = min(max(first * stride - above, 0), height - 1)
    return low, max(min((end - 1) * stride - above + (size - 1) * step + 1, height), low + 1)


def _hull(one: Rows | None, other: Rows) -> Rows:
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))


def segment_tiles(planner: MapPlanner, nodes: Sequence[Node], leaving: frozenset[str], rows: int) -> list[SegmentTile]:
    """The tiles of a segment, each of ``rows`` output rows of its last node. ``leaving``: whole maps that are made here and read
    behind the segment.

    A layer computes what the layers behind it in the tile read, rows that the tile before has computed as well included. With one
    tile every layer computes all rows.
    """
    places, wholes = planner.places, planner.wholes
    last = planner.layout(nodes[-1].output).height
    stored_to = dict.fromkeys(leaving, 0)
    tiles = []
    for first in range(0, last, rows):
        end = min(first + rows, last)
        held: dict[str, Rows] = {}
        stored: dict[str, Rows] = {}
        computed: list[Rows] = []
        for node in reversed(nodes):
            name = places[node.output].whole
            height = wholes[name].height
            if rows >= last:
                held[name] = 0, height
            elif node is nodes[-1]:
                held[name] = first, end
            if name in leaving and name not in stored:
                # Its readers here say how far it has come; without any, the tile's share of the segment.
                to = held[name][1] if name in held else -(-height * end // last)
                stored[name] = stored_to[name], height if end == last else max(to, stored_to[name])
                held[name] = _hull(held.get(name), stored[name])
            # What nobody reads is made all the same, each tile a share.
            needed = held.setdefault(name, (height * first // last, -(-height * end // last)))
            computed.append(needed)
            for source in node.inputs:
                whole = places[source].whole
                held[whole] = _hull(held.get(whole), rows_read(node, needed, wholes[whole].height))
        stored_to |= {name: to for name, (_, to) in stored.items()}
        tiles.append(SegmentTile(computed=tuple(reversed(computed)), held=held, stored=stored))
    return tiles
