"""How far a layer's output must lie from an input that dies with it: exact, from the order of reads and writes.

Time is counted in pixel groups, in the order in which the engine finishes them: descriptors, in each output groups, in each
rows, in each pixel groups of p neighbours. All reads of a pixel group and of those before it have been issued when its
first word is written, whatever the pipeline's depth, so a word may be overwritten by the pixel group that reads it last
or by any later one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..hw.memory.map_layout import MapLayout
from .graph import Convolution
from .layer_plan import LayerPlan, OutputRun, RowTile

__all__ = ["legal_distances"]

_NEVER = np.iinfo(np.int64).max

Times = NDArray[np.int64]
_Passes = tuple[tuple[RowTile, OutputRun], ...]


def legal_distances(plan: LayerPlan, source: MapLayout) -> tuple[int, ...]:
    """Addresses from the begin of ``source``, a map that the layer reads and nobody reads later, to that of its output at
    which they overlap and every word is read before it is overwritten.

    ``source`` is the layer's input or an addition's second map. Distances are whole rows and near the ends of what is
    possible: the output in the input's place, shifted by less than two planes, or its last two planes there.
    """
    rows = plan.walked_rows
    return _distances(plan.passes, rows, plan.stride, plan.lanes, plan.row_groups, _fan_in(plan), source, plan.output)


def _fan_in(plan: LayerPlan) -> tuple[int, int]:
    """Input channels of one group of the node, and output channels; the engine may read more words, with weights of 0."""
    node = plan.node
    if isinstance(node, Convolution):
        return node.weights.shape[3], len(node.weights) // node.groups
    return 1, 1


@lru_cache(maxsize=4096)
def _distances(
    passes: _Passes,
    walked: range,
    stride: tuple[int, int],
    lanes: int,
    row_groups: int,
    fan: tuple[int, int],
    source: MapLayout,
    target: MapLayout,
) -> tuple[int, ...]:
    reads = _flat(_last_reads(passes, walked, stride, lanes, row_groups, fan, source, target.channels), source, -1)
    writes = _flat(_first_writes(passes, lanes, row_groups, target), target, _NEVER)
    reach = 2 * max(source.plane_words, target.plane_words)
    candidates = {
        distance
        for line in (source.line_words, target.line_words)
        for begin, end in ((-reach, reach), (-target.size, reach - target.size))
        for distance in range(begin // line * line, end, line)
    }
    return tuple(
        sorted(
            distance
            for distance in candidates
            if -target.size < distance < source.size and _legal(reads, writes, distance)
        )
    )


def _legal(reads: Times, writes: Times, distance: int) -> bool:
    begin, end = max(distance, 0), min(len(reads), len(writes) + distance)
    return bool((reads[begin:end] <= writes[begin - distance : end - distance]).all())


def _flat(times: Times, layout: MapLayout, nothing: int) -> Times:
    """Times by plane, row and address in the row, as times by address."""
    flat = np.full(layout.words * layout.plane_words, nothing, np.int64)
    planes = flat.reshape(layout.words, layout.plane_words)
    planes[:, : layout.height * layout.line_words] = times.reshape(layout.words, -1)
    return flat[: layout.size]


def _last_reads(
    passes: _Passes,
    walked: range,
    stride: tuple[int, int],
    lanes: int,
    row_groups: int,
    fan: tuple[int, int],
    source: MapLayout,
    outputs: int,
) -> Times:
    """For each word of the map the last pixel group that needs it, -1 for none."""
    times = np.full((source.words, source.height, source.line_words), -1, np.int64)
    start = 0
    for tile, run in passes:
        # A pixel group of a 1 x 1 kernel reads one address; of others, no more than the rows is told apart.
        pointwise = row_groups == source.line_words and stride[1] == 1 and all(tap.column == 0 for tap in tile.taps)
        offsets = np.arange(row_groups) if pointwise else np.full(source.line_words, row_groups - 1)
        last = np.full(source.height, -1, np.int64)
        for tap in {tap.row + row for tap in tile.taps for row in walked}:
            rows = tile.input_row + np.arange(tile.rows) * stride[0] + tap
            inside = np.flatnonzero((rows >= tile.input_row) & (rows < source.height))
            last[rows[inside]] = np.maximum(last[rows[inside]], inside)
        read = np.flatnonzero(last >= 0)
        for group in range(run.groups):
            channel = (run.first_group + group) * lanes
            first = channel // fan[1] * fan[0] // source.word_channels
            end = ((min(channel + lanes, outputs) - 1) // fan[1] + 1) * fan[0]
            ends = (start + group * tile.rows + last[read])[:, None] * row_groups + offsets
            times[first : -(-end // source.word_channels), read] = ends
        start += run.groups * tile.rows
    return times


def _first_writes(passes: _Passes, lanes: int, row_groups: int, target: MapLayout) -> Times:
    """For each word of the map the first pixel group that writes a byte of it."""
    times = np.full((target.words, target.height, target.line_words), _NEVER, np.int64)
    phase, place = np.divmod(np.arange(target.line_words), target.phase_words)
    column = place * target.p * target.phases + phase
    written = np.flatnonzero(column < target.width)
    offsets = column[written] // target.p
    first = target.first_byte * 8 // target.bits
    start = 0
    for tile, run in passes:
        for group in range(run.groups):
            channel = (run.first_group + group) * lanes
            last = min(channel + lanes, target.channels) - 1
            rows = (start + group * tile.rows + np.arange(tile.rows)) * row_groups
            block = np.s_[
                (first + channel) // target.word_channels : (first + last) // target.word_channels + 1,
                tile.first : tile.first + tile.rows,
                written,
            ]
            times[block] = np.minimum(times[block], rows[:, None] + offsets)
        start += run.groups * tile.rows
    return times
