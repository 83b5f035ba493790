# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.weight_buffer."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.memory.weight_buffer import WeightBuffer
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 2, "block"), (7, 5, 12, "block"), (2, 8, 5, "block"), (1, 1, 2, "spram"), (7, 5, 12, "spram")]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for n, m, depth, kind in _SHAPES:
        buffer = WeightBuffer(EngineConfig(p=1, m=m, n=n, weight_depth=depth, weight_memory=kind))
        told = {"n": n, "m": m, "depth": depth, "single": kind == "spram", "latency": buffer.latency}
        units.append((buffer, told))
    assert run_gallery("weight_buffer", units, tmp_path, simulator=simulator) == 3
