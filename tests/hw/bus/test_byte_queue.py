# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.byte_queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.byte_queue import ByteQueue
from macaw.hw.errors import UserError
from macaw.sim.simulator import run_bench


@pytest.mark.parametrize("depth", [0, 3, 24, 8192, 16.0, "16"])
def test_depth_rule(depth: object) -> None:
    with pytest.raises(UserError, match="must be a power of two from 4 to 4096"):
        ByteQueue(depth)  # type: ignore[arg-type]


@pytest.mark.parametrize(("simulator", "depth"), [("verilator", 16), ("icarus", 4)])
def test_bench(tmp_path: Path, simulator: str, depth: int) -> None:
    run_bench(
        ByteQueue(depth), top="byte_queue", test_module="macaw.sim.bench.byte_queue", build_dir=tmp_path,
        simulator=simulator, parameters={"capacity": depth + 2, "latency": ByteQueue.latency},
    )  # fmt: skip
