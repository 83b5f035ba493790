"""Functional coverage: bins are what is declared, and a network hits those that its layers say."""

from __future__ import annotations

import numpy as np
import pytest

from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.sim.functional_coverage import POINTS, covered
from macaw.sim.layered_network import layered_network
from macaw.sim.trial import Trial, random_packed_trials, random_trials

EVERY = {(point.name, name) for point in POINTS for name in point.bins}


def _hits(trial: Trial) -> frozenset[tuple[str, str]]:
    plan = trial.plan
    return covered(trial.config, plan, requantize(plan.graph, trial.config))


def test_points_are_different() -> None:
    assert len({point.name for point in POINTS}) == len(POINTS)
    for point in POINTS:
        assert len(set(point.bins)) == len(point.bins) > 1 and point.about


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_networks_hit_declared_bins(seed: int) -> None:
    """Nothing else; each layer one bin of most points; and two networks not the same."""
    found = [_hits(trial) for trial in (*random_trials(seed, 4), *random_packed_trials(seed, 4))]
    assert set().union(*found) <= EVERY
    assert all({"layer", "tails", "engine"} <= {name for name, _ in hits} for hits in found)
    assert len(set(found)) > 1


def test_bins_of_a_known_network() -> None:
    """A padded 3 x 3 convolution to 5 channels, a 2 x 2 pool, a fully connected layer, on an array of 2 x 3 x 4."""
    graph = layered_network("known", (5, 5, 3), ((3, 5), "pool", 4), seed=1)
    config = EngineConfig(
        p=2, m=3, n=4, depth=2, feature_depth=1024, weight_depth=4096, accumulator_width=26, multiplier_width=34,
        shifts=(12, 20, 28, 36),
    )  # fmt: skip
    hits = _hits(Trial(config=config, graph=graph, values=np.zeros((1, 5, 5, 3), np.int8)))
    by_point = {point.name: {name for where, name in hits if where == point.name} for point in POINTS}
    assert by_point["layer"] == {"convolution", "max pool", "fully connected"}
    assert by_point["kernel"] == {"product, 3, 3", "max pool, 2, 2", "product, 2, 2"}
    assert by_point["work in sequence"] == {"product then max pool", "max pool then product"}
    assert by_point["padding"] == {"product, top left bottom right", "product, none", "max pool, none"}
    assert by_point["strides"] == {"product, 1, 1", "max pool, 2, 2"}
    assert by_point["tails"] == {
        "one pixel, outputs part, inputs whole, tiles part",  # 5 columns of p = 2, 5 channels of n = 4, 15 groups of depth 2
        "pixels whole, outputs part, inputs part, tiles whole",  # 2 columns, 5 channels of words of 3
        "one pixel, outputs whole, inputs part, one tile",
    }
    assert {"p, 2", "m, 3", "n, 4 or more", "depth, 2", "prefetch", "pipelined requantizer"} <= by_point["engine"]
    assert by_point["formats in sequence"] == set()
