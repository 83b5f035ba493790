"""The pinning search is brute force with less work."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from macaw.sim.energy.energy_model import SCHEDULES, Design, energy, schedule
from macaw.sim.energy.layer_shape import LayerShape
from macaw.sim.energy.memory_technology import ACCUMULATORS, RRAM, SRAM
from macaw.sim.energy.pinning import pinned_layers
from macaw.sim.energy.schedule import Storage, best_plan


def random_chain(generator: np.random.Generator, count: int) -> tuple[LayerShape, ...]:
    """3x3 and 1x1 layers that follow one another."""
    size, channels = int(generator.integers(12, 40)), int(generator.integers(1, 24))
    layers = []
    for index in range(count):
        kernel = int(generator.choice([1, 3]))
        pool = int(generator.choice([1, 2])) if size >= 8 else 1
        outputs = int(generator.integers(4, 64))
        layers.append(
            LayerShape(
                name=f"conv{index}", rows=size, columns=size, channels=channels, outputs=outputs,
                kernel=(kernel, kernel), padding=(kernel // 2, kernel // 2), pool=pool,
            )
        )  # fmt: skip
        size, channels = size // pool, outputs
    return tuple(layers)


@pytest.mark.parametrize("seed", range(8))
def test_search_equals_brute_force(seed: int) -> None:
    generator = np.random.default_rng(seed)
    layers = random_chain(generator, int(generator.integers(1, 13)))
    weights = [layer.weight_bytes for layer in layers]
    storage = Storage(
        int(generator.integers(4_000, 40_000)),
        max(int(sum(weights) * generator.uniform(0.1, 0.9)), min(weights), 1_000),
    )

    def cost(pinned: frozenset[int]) -> float | None:
        try:
            return best_plan(layers, storage, lambda segment: segment.traffic.total, pinned=pinned).traffic.total
        except ValueError:
            return None

    every = [frozenset(each) for size in range(len(layers) + 1) for each in combinations(range(len(layers)), size)]
    fitting = [each for each in every if sum(weights[index] for index in each) <= storage.weights]
    costs = [value for value in map(cost, fitting) if value is not None]
    if not costs:
        with pytest.raises(ValueError, match="No choice of pinned layers"):
            pinned_layers(layers, storage.weights, cost)
        return
    assert cost(pinned_layers(layers, storage.weights, cost)) == min(costs)


def test_too_many_layers() -> None:
    layers = random_chain(np.random.default_rng(1), 25)
    with pytest.raises(ValueError, match="at most 24 layers"):
        pinned_layers(layers, 1000, lambda _: 0.0)


@pytest.mark.parametrize("kind", SCHEDULES[1:])
def test_each_schedule_is_no_worse_than_the_one_before(kind: str) -> None:
    for seed in range(6):
        layers = random_chain(np.random.default_rng(100 + seed), 6)
        design = Design(features=SRAM[0], weights=RRAM[0], accumulator=ACCUMULATORS[1])
        before = SCHEDULES[SCHEDULES.index(kind) - 1]
        spent = [energy(layers, design, schedule(layers, design, each)).total for each in (before, kind)]
        assert spent[1] <= spent[0] * (1 + 1e-12)
