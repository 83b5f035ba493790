# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.output.parameter_store."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.output.parameter_store import ParameterStore
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 24, 27), (5, 12, 8), (11, 24, 27), (8, 32, 34), (13, 24, 27)]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for m, accumulator, multiplier in _SHAPES:
        config = EngineConfig(p=1, m=m, n=1, accumulator_width=accumulator, multiplier_width=multiplier)
        rows = config.parameter_words
        assert rows == -(-(multiplier + config.offset_width + 2) // (8 * m))
        units.append((ParameterStore(config), {"m": m, "rows": rows}))
    assert {told["rows"] for _, told in units} >= {1, 2}
    assert run_gallery("parameter_store", units, tmp_path, simulator=simulator) == 2
