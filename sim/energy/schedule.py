"""Which bytes cross the chip's border: schedules of single layers and of fused ones.

Two feature buffers of equal size swap roles from layer to layer; a map that fits in one stays on chip. Source: the
accelerator paper, section 4. What it leaves open is decided here: tiles are whole rows, and the rows that two tiles share are read
again by both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from math import ceil

from .layer_shape import LayerShape

__all__ = ["Plan", "Segment", "Storage", "Traffic", "best_plan", "fused_segment", "layer_segments"]


@dataclass(frozen=True)
class Traffic:
    """External bytes of one inference by kind."""

    weights: int = 0
    features_read: int = 0
    features_written: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.features_read + self.features_written

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.weights + other.weights,
            self.features_read + other.features_read,
            self.features_written + other.features_written,
        )


@dataclass(frozen=True)
class Storage:
    """On-chip bytes: of one of the two feature buffers, and of the weight buffer."""

    features: int
    weights: int

    def __post_init__(self) -> None:
        if self.features < 1 or self.weights < 1:
            raise ValueError(f"Buffers have at least one byte, not {self.features} and {self.weights}.")


@dataclass(frozen=True)
class Segment:
    """Layers ``first`` to ``end - 1`` that run together.

    ``order``: "reuse weights" (a part of the weights stays while all features pass), "reuse features" (the other way round), "once"
    (one of the two fits, nothing is loaded twice) or "fused" (tile by tile through all layers). ``tiles`` of the features and
    ``parts`` of the weights. ``rows``: output rows that each layer computes, rows shared by two fused tiles counted twice.
    """

    first: int
    end: int
    order: str
    traffic: Traffic
    rows: tuple[int, ...]
    tiles: int = 1
    parts: int = 1


@dataclass(frozen=True)
class Plan:
    """Segments in order and the layers whose weights stay on chip from one inference to the next."""

    segments: tuple[Segment, ...]
    pinned: frozenset[int] = field(default_factory=frozenset)

    @property
    def traffic(self) -> Traffic:
        """External bytes of one inference."""
        return reduce(Traffic.__add__, (segment.traffic for segment in self.segments), Traffic())

    def steps(self, layers: Sequence[LayerShape], p: int, m: int, n: int) -> int:
        """Array cycles, rows that are computed twice included."""
        return sum(
            layer.steps(p, m, n, rows)
            for segment in self.segments
            for layer, rows in zip(layers[segment.first : segment.end], segment.rows, strict=True)
        )


@dataclass(frozen=True)
class _Tiling:
    """The fewest tiles of whole rows in which every map fits a feature buffer.

    ``input_rows``: rows of the first layer's input that are read, shared ones once for each tile. ``rows``: output rows that
    each layer computes, those that its pooling drops included.
    """

    tiles: int
    input_rows: int
    rows: tuple[int, ...]


@lru_cache(maxsize=1 << 14)
def _tiling(layers: tuple[LayerShape, ...], features: int) -> _Tiling | None:
    """None if not even one row of the last layer does."""
    low, high = 0, layers[-1].stored_rows
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _fits(layers, middle, features) else (low, middle - 1)
    if not low:
        return None
    tiles = list(_tiles(layers, low))
    computed = [sum(ranges[k][1] - ranges[k][0] for ranges in tiles) for k in range(len(layers) + 1)]
    rows = (
        count * layer.pool + layer.output_rows % layer.pool for count, layer in zip(computed[1:], layers, strict=True)
    )
    return _Tiling(len(tiles), computed[0], tuple(rows))


def _tiles(layers: Sequence[LayerShape], height: int) -> Iterator[list[tuple[int, int]]]:
    """For each tile of ``height`` stored rows: the input rows of the first layer, then the stored rows of each (first, end)."""
    for first in range(0, layers[-1].stored_rows, height):
        ranges = [(first, min(first + height, layers[-1].stored_rows))]
        for layer in reversed(layers):
            ranges.append(layer.input_row_range(*ranges[-1]))
        yield ranges[::-1]


def _fits(layers: Sequence[LayerShape], height: int, features: int) -> bool:
    widths = [layers[0].input_row_bytes, *(layer.stored_row_bytes for layer in layers)]
    return all(
        (end - first) * width <= features
        for ranges in _tiles(layers, height)
        for (first, end), width in zip(ranges, widths, strict=True)
    )


def _borders(layers: Sequence[LayerShape], first: int, end: int, features: int) -> tuple[bool, bool]:
    """Whether the segment's input comes from outside, and whether its output goes there."""
    return (
        first == 0 or layers[first].input_bytes > features,
        end == len(layers) or layers[end - 1].stored_bytes > features,
    )


def layer_segments(
    layers: Sequence[LayerShape], index: int, storage: Storage, *, free: int, pinned: bool
) -> list[Segment]:
    """The ways to run one layer by itself. ``free``: bytes of the weight buffer that are not pinned.

    Where neither the weights (in ``parts`` of the free buffer) nor the features (in ``tiles``) fit, one of them is loaded
    again for each part of the other: two segments to choose from. Empty if not even one row fits.
    """
    layer = layers[index]
    tiling = _tiling((layer,), storage.features)
    weights = 0 if pinned else layer.weight_bytes
    if tiling is None or (weights and not free):
        return []
    tiles = tiling.tiles
    outside, leaves = _borders(layers, index, index + 1, storage.features)
    read = tiling.input_rows * layer.input_row_bytes if outside else 0
    written = layer.stored_bytes if leaves else 0
    parts = ceil(weights / free) if weights else 1
    if parts == 1 or tiles == 1:
        return [Segment(index, index + 1, "once", Traffic(weights, read, written), tiling.rows, tiles, parts)]
    return [
        Segment(index, index + 1, "reuse features", Traffic(tiles * weights, read, written), tiling.rows, tiles, parts),
        Segment(index, index + 1, "reuse weights", Traffic(weights, parts * read, written), tiling.rows, tiles, parts),
    ]


def fused_segment(
    layers: Sequence[LayerShape], first: int, end: int, storage: Storage, *, free: int, pinned: frozenset[int]
) -> Segment | None:
    """Layers ``first`` to ``end - 1`` tile by tile: the maps between them never leave the chip, the rows that two tiles share are
    computed by both. None if the weights do not fit together or no tile does."""
    chain = layers[first:end]
    weights = sum(layer.weight_bytes for index, layer in enumerate(chain, first) if index not in pinned)
    if weights > free:
        return None
    tiling = _tiling(tuple(chain), storage.features)
    if tiling is None:
        return None
    outside, leaves = _borders(layers, first, end, storage.features)
    read = tiling.input_rows * chain[0].input_row_bytes if outside else 0
    written = chain[-1].stored_bytes if leaves else 0
    return Segment(first, end, "fused", Traffic(weights, read, written), tiling.rows, tiling.tiles)


def best_plan(
    layers: Sequence[LayerShape],
    storage: Storage,
    cost: Callable[[Segment], float],
    *,
    fuse: bool = True,
    pinned: frozenset[int] = frozenset(),
) -> Plan:
    """The cheapest division into segments. ``cost`` of a plan is the sum of its segments'; ``fuse``: whether layers may be fused.

    Raises ValueError if the pinned weights do not fit or a layer cannot be run at all; it names the layer.
    """
    free = storage.weights - sum(layers[index].weight_bytes for index in pinned)
    if free < 0:
        raise ValueError(f"The pinned weights need {-free} bytes more than the weight buffer's {storage.weights}.")
    best: list[tuple[float, tuple[Segment, ...]] | None] = [(0.0, ())]
    for end in range(1, len(layers) + 1):
        options = list(layer_segments(layers, end - 1, storage, free=free, pinned=end - 1 in pinned))
        ways = [(segment, best[end - 1]) for segment in options]
        for first in range(end - 2, -1, -1) if fuse else ():
            segment = fused_segment(layers, first, end, storage, free=free, pinned=pinned)
            if segment is not None:
                ways.append((segment, best[first]))
        reached = [(start[0] + cost(segment), (*start[1], segment)) for segment, start in ways if start is not None]
        best.append(min(reached, key=lambda way: way[0], default=None))
    if best[-1] is None:
        raise ValueError(_refusal(layers, storage, pinned))
    return Plan(best[-1][1], pinned)


def _refusal(layers: Sequence[LayerShape], storage: Storage, pinned: frozenset[int]) -> str:
    for layer in layers:
        if _tiling((layer,), storage.features) is None:
            return f"Layer {layer.name}: one output row and its input rows need more than a feature buffer's {storage.features} bytes."
    return f"The weights of {len(pinned)} pinned layers fill the weight buffer of {storage.weights} bytes; the others need a part of it."
