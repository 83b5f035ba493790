# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.accumulation_buffer."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.memory.accumulation_buffer import AccumulationBuffer
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [
    (1, 1, 1, 1, 12, False), (3, 5, 7, 1, 24, False), (3, 5, 2, 3, 16, False), (2, 1, 1, 4, 32, False),
    (1, 1, 3, 2, 20, False), (2, 3, 2, 1, 26, True), (1, 2, 2, 3, 28, True), (2, 4, 1, 2, 16, True),
    (2, 2, 17, 1, 20, False), (1, 1, 33, 1, 14, True),
]  # fmt: skip


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, depth, width, adding in _SHAPES:
        buffer = AccumulationBuffer(
            EngineConfig(p=p, m=m, n=n, depth=depth, accumulator_width=width, adding=adding)
        )
        assert buffer.finish == 1 + adding and buffer.latency == 2 + adding
        told = {"p": p, "n": n, "depth": depth, "width": width, "adding": adding, "finish": buffer.finish}
        units.append((buffer, told | {"latency": buffer.latency}))
    assert run_gallery("accumulation_buffer", units, tmp_path, simulator=simulator) == 13
