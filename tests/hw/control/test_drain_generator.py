# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.control.drain_generator."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.control.drain_generator import DrainGenerator
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 1, 1, 0), (3, 5, 7, 1, 0), (3, 4, 4, 3, 0), (4, 1, 3, 2, 0), (2, 8, 8, 4, 4), (5, 2, 1, 3, 8), (3, 2, 8, 2, 0)]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, depth, digit in _SHAPES:
        formats = ("int8", "ternary", "binary") if n == 8 and digit == 0 else ("int8",)
        config = EngineConfig(p=p, m=m, n=n, depth=depth, requantizer_digit=digit, output_formats=formats)
        drain = DrainGenerator(config)
        units.append((drain, {"config": config.to_dict(), "group_interval": drain.group_interval}))
    assert run_gallery("drain_generator", units, tmp_path, simulator=simulator) == 2
