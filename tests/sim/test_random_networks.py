"""Whole random networks on random engines: RTL = golden model = cycle model, every layer's map."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.scripts.random_networks import run_engine

NETWORKS = 5


@pytest.mark.parametrize("seed", [*range(101, 105), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(105, 109))])
def test_random_engine(seed: int, tmp_path: Path) -> None:
    outcomes = list(run_engine(seed, tmp_path, networks=NETWORKS, largest=3))
    assert len(outcomes) == NETWORKS
