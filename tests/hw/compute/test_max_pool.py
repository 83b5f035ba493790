# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.max_pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.compute.max_pool import MaxPoolArray
from macaw.hw.config import EngineConfig
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1), (3, 5), (4, 2), (7, 3)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = [
        (MaxPoolArray(EngineConfig(p=p, m=m, n=1)), {"p": p, "m": m, "latency": MaxPoolArray.latency})
        for p, m in _SHAPES
    ]
    assert run_gallery("max_pool", units, tmp_path, simulator=simulator) == 7
