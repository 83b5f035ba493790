# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.window_selector."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.memory.window_selector import WindowSelector
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 1), (2, 3, 2), (3, 5, 3), (4, 1, 3), (5, 2, 4), (7, 1, 4), (1, 2, 1), (3, 4, 3)]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, latency in _SHAPES:
        masking = (p, m) in ((1, 2), (3, 4))
        products = ("int8xint8", "binaryxbinary") if masking else ("int8xint8", "int4xint4")
        selector = WindowSelector(EngineConfig(p=p, m=m, n=1, products=products))
        assert selector.latency == latency
        units.append((selector, {"p": p, "m": m, "latency": selector.latency, "masking": masking}))
    assert run_gallery("window_selector", units, tmp_path, simulator=simulator) == 2
