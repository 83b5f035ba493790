"""Tests of macaw.hw.bus.stream_register."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.stream_register import StreamRegister
from macaw.sim.simulator import run_bench


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    run_bench(
        StreamRegister(8), top="stream_register", test_module="macaw.sim.bench.byte_queue", build_dir=tmp_path,
        simulator=simulator, parameters={"capacity": 1, "latency": StreamRegister.latency},
    )  # fmt: skip
