# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.control.step_generator."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.control.step_generator import StepGenerator
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 1, 1, 3), (3, 5, 7, 1, 11), (3, 5, 7, 3, 3), (4, 16, 4, 4, 12), (2, 8, 2, 5, 4)]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, depth, group_width in _SHAPES:
        products = ("int8xint8", "binaryxbinary") if depth == 3 else ("int8xint8",)  # the first ones mask
        config = EngineConfig(
            p=p, m=m, n=n, depth=depth, feature_depth=300, group_width=group_width, products=products
        )
        units.append((StepGenerator(config), {"config": config.to_dict()}))
    assert run_gallery("step_generator", units, tmp_path, simulator=simulator) == 3
