# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.feature_buffer."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.memory.feature_buffer import FeatureBuffer
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 2), (3, 5, 10), (4, 8, 16), (5, 3, 7)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = [
        (
            FeatureBuffer(EngineConfig(p=p, m=m, n=1, feature_depth=depth)),
            {"p": p, "m": m, "depth": depth, "latency": FeatureBuffer.latency},
        )
        for p, m, depth in _SHAPES
    ]
    assert FeatureBuffer.latency == 3
    assert run_gallery("feature_buffer", units, tmp_path, simulator=simulator) == 2
