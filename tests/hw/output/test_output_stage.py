# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.output.output_stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.output.output_stage import OutputStage
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 0, 24, 27, 0, 0), (5, 3, 0, 24, 27, 26, 0), (13, 2, 4, 24, 27, 0, 1), (4, 1, 1, 12, 8, 8, 0)]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for m, n, digit, accumulator, multiplier, nudge, wrap in _SHAPES:
        config = EngineConfig(
            p=1, m=m, n=n, requantizer_digit=digit, accumulator_width=accumulator, multiplier_width=multiplier,
            shifts=(9, 18, 27, 36), nudge=nudge, wrapping=bool(wrap),
        )  # fmt: skip
        stage = OutputStage(config)
        assert stage.latency == stage.gap + 3
        told = {
            "m": m, "n": n, "accumulator_width": accumulator, "multiplier_width": multiplier,
            "offset_width": config.offset_width, "rows": config.parameter_words, "shifts": config.shifts,
            "interval": config.pixel_interval, "gap": stage.gap, "latency": stage.latency, "low": -100, "high": 127,
            "pivot": 20 if nudge else -128, "nudge": nudge, "wrap": wrap,
        }  # fmt: skip
        units.append((stage, told))
    assert run_gallery("output_stage", units, tmp_path, simulator=simulator) == 4
