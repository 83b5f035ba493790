# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.output.requantizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.output.requantizer import Requantizer
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [
    # accumulator, multiplier, shifts, nudge, digit; product latency
    (24, 27, (18, 24, 30, 36), 0, 0, 5),
    (12, 8, (1, 2, 9, 15), 0, 0, 3),
    (32, 34, (16, 24, 36, 48), 34, 0, 5),
    (18, 27, (10, 20, 30, 31, 32, 33, 34, 40), 25, 0, 4),
    (24, 27, (30,), 25, 1, 28),
    (24, 27, (18, 24, 30, 31, 36), 18, 4, 8),
    (12, 8, (1, 2, 9, 15), 1, 8, 2),
    (32, 34, (16, 48), 0, 3, 13),
]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for accumulator, multiplier, shifts, nudge, digit, product in _SHAPES:
        config = EngineConfig(
            p=1, m=1, n=1, accumulator_width=accumulator, multiplier_width=multiplier, shifts=shifts,
            nudge=nudge, requantizer_digit=digit, wrapping=nudge != 0,
        )  # fmt: skip
        unit = Requantizer(config)
        assert (unit.hold, unit.latency) == (product + 1, product + 4)
        assert unit.interval == (1 if digit == 0 else -(-multiplier // digit) + 1)
        told = {
            "shifts": shifts, "nudge": nudge, "wrapping": config.wrapping, "interval": unit.interval, "hold": unit.hold, "latency": unit.latency,
        }  # fmt: skip
        units.append((unit, told))
    assert run_gallery("requantizer", units, tmp_path, simulator=simulator) == 2
