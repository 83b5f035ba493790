"""The cycle model: what the engine's cycle counter will show, exactly, stalls included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...hw.config import EngineConfig
from ...hw.control.descriptor import Operation
from ...hw.timing import PipelineTiming

__all__ = ["LayerCycles", "layer_cycles", "program_cycles"]


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of one layer (one descriptor), a breakdown that sums to ``total``.

    ``steps``: cycles in which the array or the pool works. ``parameters``: cycles that load requantization parameters.
    ``stalls``: cycles in which the step generator waits. ``drain``: cycles after the last step until the last pixel has
    left. ``overhead``: fetch, decode and flush. ``weight_words``: words read from the weight buffer.
    """

    steps: int = 0
    parameters: int = 0
    stalls: int = 0
    drain: int = 0
    overhead: int = 0
    weight_words: int = 0

    @property
    def total(self) -> int:
        """All cycles of the layer."""
        return self.steps + self.parameters + self.stalls + self.drain + self.overhead

    def __add__(self, other: LayerCycles) -> LayerCycles:
        return LayerCycles(
            self.steps + other.steps,
            self.parameters + other.parameters,
            self.stalls + other.stalls,
            self.drain + other.drain,
            self.overhead + other.overhead,
            self.weight_words + other.weight_words,
        )


def layer_cycles(config: EngineConfig, layer: Mapping[str, int]) -> LayerCycles:
    """Cycles of the layer with these descriptor fields.

    The model walks the tiles. A tile of g pixel groups takes ``phases`` x g steps (phases = taps x words); the g steps of
    its last phase may start when the tile before will have drained, which takes ``pixel_interval`` cycles a pixel.
    The parameters of an output group are sent before its steps, once the group two before has given up its own.
    """
    timing = PipelineTiming(config)
    pooling = layer["operation"] == Operation.MAX_POOL.value
    phases = (layer["taps_last"] + 1) * (layer["words_last"] + 1)
    row_groups = layer["row_groups_last"] + 1
    groups = row_groups * (layer["rows_last"] + 1)
    output_groups = layer["groups_last"] + 1
    depth = 1 if pooling else config.depth
    interval = 1 if pooling else config.pixel_interval
    group_interval = 1 if pooling else timing.group_interval
    parameter_words = 0 if pooling else config.parameter_words

    # Pixels of the tiles of one output group.
    pixels = [layer["tail_last"] + 1 if g % row_groups == row_groups - 1 else config.p for g in range(groups)]
    tiles = [pixels[start : start + depth] for start in range(0, groups, depth)]

    now = 0  # the cycle of the next step, counted from the first cycle after go
    drained = 0  # first cycle in which the next tile may begin to finish
    returned: list[int] = []  # for each output group, the first cycle in which its parameters are free
    steps = stalls = weight_words = 0
    for output_group in range(output_groups):
        if not pooling:
            if output_group >= 2:
                wait = max(0, returned[output_group - 2] - now)
                stalls += wait
                now += wait
            now += parameter_words
            weight_words += parameter_words
        for index, tile in enumerate(tiles):
            now += (phases - 1) * len(tile)
            wait = max(0, drained - now)
            stalls += wait
            now += wait
            duration = sum(tile) * interval
            last_event = now + duration - interval + 1
            if index == len(tiles) - 1:
                duration += group_interval - interval
            drained = now + duration
            now += len(tile)
            steps += phases * len(tile)
            if not pooling:
                weight_words += phases
        returned.append(last_event + timing.exchange + 1)
    # After the last step the layer goes on until the cycle after its last event.
    drain = max(0, last_event + 1 - now)
    return LayerCycles(
        steps=steps,
        parameters=parameter_words * output_groups,
        stalls=stalls,
        drain=drain,
        overhead=timing.layer_overhead,
        weight_words=weight_words,
    )


def program_cycles(config: EngineConfig, layers: Iterable[LayerCycles]) -> int:
    """Cycles of a program: its start, its layers, its end."""
    timing = PipelineTiming(config)
    return timing.header + sum(layer.total for layer in layers) + timing.end
