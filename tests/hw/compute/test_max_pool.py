# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.max_pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.compute.max_pool import MaxPoolArray
from macaw.hw.config import EngineConfig
from macaw.hw.formats import FORMATS
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, ("int8",)), (3, 5, ("int8",)), (4, 2, ("int8",)), (7, 3, ("int8",)), (2, 3, ("binary",)), (1, 2, tuple(FORMATS))]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = [
        (
            MaxPoolArray(EngineConfig(p=p, m=m, n=8, output_formats=formats)),
            {"p": p, "m": m, "latency": MaxPoolArray.latency, "widths": [FORMATS[name].width for name in formats]},
        )
        for p, m, formats in _SHAPES
    ]
    assert run_gallery("max_pool", units, tmp_path, simulator=simulator) == 7
