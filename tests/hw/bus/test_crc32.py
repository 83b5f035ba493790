"""Tests of macaw.hw.bus.crc32."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from macaw.hw.bus.crc32 import Crc32
from macaw.sim.golden.crc32 import crc32
from macaw.sim.simulator import run_bench


def test_golden_is_zlib() -> None:
    chance = random.Random(1)
    for length in range(40):
        message = chance.randbytes(length)
        assert crc32(message) == zlib.crc32(message)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    run_bench(Crc32(), top="crc32", test_module="macaw.sim.bench.crc32", build_dir=tmp_path, simulator=simulator)
