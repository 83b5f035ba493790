"""The cycle model's closed form against a walk over all tiles. That both equal the RTL is in test_random_networks.py."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.control.descriptor import Operation
from macaw.hw.timing import PipelineTiming
from macaw.sim.cost.cycles import LayerCycles, layer_cycles, program_cycles
from macaw.sim.random_network import random_engine


def walk(config: EngineConfig, layer: Mapping[str, int]) -> LayerCycles:
    """Step generator and drain generator, tile by tile."""
    timing = PipelineTiming(config)
    pooling = layer["operation"] == Operation.MAX_POOL.value
    phases = (layer["taps_last"] + 1) * (layer["words_last"] + 1)
    row_groups = layer["row_groups_last"] + 1
    groups = row_groups * (layer["rows_last"] + 1)
    depth = 1 if pooling else config.depth
    interval = 1 if pooling else config.pixel_interval
    group_interval = 1 if pooling else timing.group_interval
    parameter_words = 0 if pooling else config.parameter_words

    pixels = [layer["tail_last"] + 1 if g % row_groups == row_groups - 1 else config.p for g in range(groups)]
    tiles = [pixels[start : start + depth] for start in range(0, groups, depth)]
    now = 0  # the cycle of the next step, counted from the first cycle after go
    drained = 0  # first cycle in which the next tile may begin to finish
    returned: list[int] = []  # for each output group, the first cycle in which its parameters are free
    steps = stalls = weight_words = last_event = 0
    for output_group in range(layer["groups_last"] + 1):
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
            weight_words += 0 if pooling else phases
        returned.append(last_event + timing.exchange + 1)
    return LayerCycles(
        steps=steps,
        parameters=parameter_words * (layer["groups_last"] + 1),
        stalls=stalls,
        drain=max(0, last_event + 1 - now),
        overhead=timing.layer_overhead,
        weight_words=weight_words,
    )


@pytest.mark.parametrize("seed", range(40))
def test_closed_form_equals_the_walk(seed: int) -> None:
    generator = np.random.default_rng(seed)
    config = random_engine(generator, int(generator.integers(1, 20)))
    stalled = 0
    for _ in range(40):
        layer = {
            "operation": int(generator.choice([Operation.CONVOLUTION.value, Operation.MAX_POOL.value], p=[0.8, 0.2])),
            "groups_last": int(generator.integers(0, generator.choice([1, 2, 3, 9]))),
            "words_last": int(generator.integers(0, generator.choice([1, 4]))),
            "taps_last": int(generator.integers(0, generator.choice([1, 3, 9]))),
            "rows_last": int(generator.integers(0, generator.choice([1, 3, 12]))),
            "row_groups_last": int(generator.integers(0, generator.choice([1, 3, 7]))),
            "tail_last": int(generator.integers(0, config.p)),
        }
        found = layer_cycles(config, layer)
        assert found == walk(config, layer), layer
        assert min(found.steps, found.stalls + 1, found.drain + 1) > 0
        stalled += found.stalls > 0
    assert stalled > 0 or config.p == 1


def test_a_program_is_its_layers_and_its_ends() -> None:
    config = EngineConfig(p=4, m=8, n=4)
    layers = [LayerCycles(steps=10, overhead=5), LayerCycles(steps=7, stalls=1, drain=2)]
    timing = PipelineTiming(config)
    assert program_cycles(config, layers) == timing.header + 25 + timing.end
    assert (layers[0] + layers[1]).total == 25
