# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.accumulation_buffer."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.memory.accumulation_buffer import AccumulationBuffer
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 1, 1, 12), (3, 5, 7, 1, 24), (3, 5, 2, 3, 16), (2, 1, 1, 4, 32), (1, 1, 3, 2, 20)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, depth, width in _SHAPES:
        buffer = AccumulationBuffer(EngineConfig(p=p, m=m, n=n, depth=depth, accumulator_width=width))
        units.append((buffer, {"p": p, "n": n, "depth": depth, "width": width, "latency": buffer.latency}))
    assert run_gallery("accumulation_buffer", units, tmp_path, simulator=simulator) == 13
