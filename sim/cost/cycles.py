"""The cycle model: what the engine's cycle counter will show, exactly, stalls included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ...hw.config import EngineConfig
from ...hw.control.descriptor import Operation
from ...hw.formats import FORMATS
from ...hw.timing import PipelineTiming

__all__ = ["LayerCycles", "layer_cycles", "program_cycles"]


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of one layer (one descriptor), a breakdown that sums to ``total``.

    ``steps``: cycles in which the array or the pool works. ``parameters``: cycles that load requantization parameters.
    ``stalls``: cycles in which the step generator waits. ``drain``: cycles after the last step until the last pixel has
    left. ``overhead``: fetch, decode and flush. ``waiting``: cycles in which the layer waits for weights from an external memory
    (sim/cost/weight_stream.py). ``weight_words``: words read from the weight buffer. ``external_words``: 32-bit words of weights
    read from the external memory for this layer; ``map_words_read``, ``map_words_written``: 32-bit words of its input maps that are
    read from there, and of its output map that are written.
    """

    steps: int = 0
    parameters: int = 0
    stalls: int = 0
    drain: int = 0
    overhead: int = 0
    weight_words: int = 0
    waiting: int = 0
    external_words: int = 0
    map_words_read: int = 0
    map_words_written: int = 0

    @property
    def total(self) -> int:
        """All cycles of the layer."""
        return self.steps + self.parameters + self.stalls + self.drain + self.overhead + self.waiting

    def __add__(self, other: LayerCycles) -> LayerCycles:
        return LayerCycles(
            self.steps + other.steps,
            self.parameters + other.parameters,
            self.stalls + other.stalls,
            self.drain + other.drain,
            self.overhead + other.overhead,
            self.weight_words + other.weight_words,
            self.waiting + other.waiting,
            self.external_words + other.external_words,
            self.map_words_read + other.map_words_read,
            self.map_words_written + other.map_words_written,
        )


@lru_cache(maxsize=1024)
def _timing(config: EngineConfig) -> tuple[int, int, int]:
    """group_interval, exchange and layer_overhead of the pipeline."""
    timing = PipelineTiming(config)
    return timing.group_interval, timing.exchange, timing.layer_overhead


def _interval(config: EngineConfig, output_bits: int) -> int:
    """Cycles between two pixels of a layer; formats that the engine does not write count as the slowest."""
    widths = [FORMATS[name].width for name in config.output_formats]
    return config.pixel_intervals[widths.index(output_bits)] if output_bits in widths else config.pixel_interval


def layer_cycles(config: EngineConfig, layer: Mapping[str, int]) -> LayerCycles:
    """Cycles of the layer with these descriptor fields; ``output_bits``: of a value of its output, 8 without.

    A tile of g pixel groups takes ``phases`` x g steps (phases = taps x words); the g steps of its last phase may start
    when the tile before will have drained, which takes its format's ``pixel_intervals`` cycles a pixel. So between the last phases of
    two tiles lie ``max(steps, drain)`` cycles, and all tiles but the last of a layer have the same length and one of two
    numbers of pixels. The parameters of an output group are sent before its steps, once the group two before has given
    up its own: the distance of two output groups is the greater of their steps, the last tile's drain, and what the
    return of those parameters leaves of two distances.
    """
    group_interval, exchange, overhead = _timing(config)
    pooling = layer["operation"] == Operation.MAX_POOL.value
    phases = (layer["taps_last"] + 1) * (layer["words_last"] + 1)
    row_groups = layer["row_groups_last"] + 1
    groups = row_groups * (layer["rows_last"] + 1)
    output_groups = layer["groups_last"] + 1
    if pooling:
        depth = interval = group_interval = 1
        parameters = 0
    else:
        depth, parameters = config.depth, config.parameter_words
        interval = _interval(config, layer.get("output_bits", 8))
    missing = config.p - 1 - layer["tail_last"]  # pixels that the last pixel group of a row has not got

    def pixels(first: int, count: int) -> int:
        """Of ``count`` pixel groups from ``first`` on."""
        return count * config.p - missing * ((first + count) // row_groups - first // row_groups)

    tiles = -(-groups // depth)
    first_length, last_length = min(depth, groups), groups - (tiles - 1) * depth
    last_pixels = pixels(groups - last_length, last_length)

    # From the last phase of an output group's first tile to that of its last: ``tiles - 1`` distances, each the larger
    # of the next tile's steps and the present tile's drain.
    span = 0
    if tiles > 1:
        before = tiles - 2  # distances between tiles of full length
        rows = depth // row_groups
        longer = before * depth // row_groups - before * rows  # of these, drains of a tile with one more row end
        plain = depth * config.p - missing * rows
        next_steps = depth + (phases - 1) * depth
        span += (before - longer) * max(next_steps, plain * interval)
        span += longer * max(next_steps, (plain - missing) * interval)
        drain = pixels(before * depth, depth) * interval
        span += max(depth + (phases - 1) * last_length, drain)

    # From the last tile's last phase in one output group to that in the next.
    begin = parameters + (phases - 1) * first_length
    last_drain = (last_pixels - 1) * interval + group_interval
    distance = span + max(last_length + begin, last_drain)
    last_event = (last_pixels - 1) * interval + 1  # counted from the last tile's last phase
    if pooling:
        slower = distance
    else:
        slower = max(distance, span + last_event + exchange + 1 + begin - distance)
    last_phase = begin + span + output_groups // 2 * distance + (output_groups - 1) // 2 * slower

    end = last_phase + last_length
    steps = phases * groups * output_groups
    return LayerCycles(
        steps=steps,
        parameters=parameters * output_groups,
        stalls=end - steps - parameters * output_groups,
        # After the last step the layer goes on until the cycle after its last event.
        drain=max(0, last_phase + last_event + 1 - end),
        overhead=overhead,
        weight_words=0 if pooling else output_groups * (parameters + phases * tiles),
    )


def program_cycles(config: EngineConfig, layers: Iterable[LayerCycles]) -> int:
    """Cycles of a program: its start, its layers, its end."""
    timing = PipelineTiming(config)
    return timing.header + sum(layer.total for layer in layers) + timing.end
