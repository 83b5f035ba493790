"""Tests of macaw.hw.bus.byte_register."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.byte_register import ByteRegister
from macaw.sim.simulator import run_bench


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    run_bench(
        ByteRegister(), top="byte_register", test_module="macaw.sim.bench.byte_queue", build_dir=tmp_path,
        simulator=simulator, parameters={"capacity": 1, "latency": ByteRegister.latency},
    )  # fmt: skip
