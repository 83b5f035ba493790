# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.control.host_access."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.control.host_access import HostAccess
from macaw.hw.control.register_map import Region, Register, Status, region_address
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.golden.host_access import ADDRESS, BUSY, OK, READ_ONLY, WRITE_ONLY, HostAccessModel

_SHAPES = [(1, 1, 1, 16, 16), (3, 5, 7, 100, 12), (4, 12, 2, 64, 21), (5, 4, 1, 1000, 1024)]


def _model(config: EngineConfig, tap_segments: int) -> dict[str, int]:
    return {
        "p": config.p, "program_depth": config.program_depth, "tap_depth": config.tap_depth,
        "weight_depth": config.weight_depth, "feature_depth": config.feature_depth, "tap_segments": tap_segments,
        "weight_segments": config.weight_segments, "feature_segments": config.feature_segments,
    }  # fmt: skip


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, features, weights in _SHAPES:
        config = EngineConfig(
            p=p, m=m, n=n, feature_depth=features, weight_depth=weights, program_depth=features, tap_depth=weights,
            streaming=p == 4, spilling=p == 4,
        )  # fmt: skip
        boot = p == 3
        host = HostAccess(config, boot=boot)
        # The way of a read in the engine: feature buffer, then the rotator of the window selector.
        told = {"m": m, "model": _model(config, host.tap_segments) | {"boot": boot, "streaming": p == 4, "spilling": p == 4}, "feature_latency": 9}
        units.append((host, told))
    assert run_gallery("host_access", units, tmp_path, simulator=simulator) == 6


def test_codes() -> None:
    regions: Any = Region
    registers: Any = Register
    codes: Any = (Status.OK, Status.ADDRESS, Status.BUSY, Status.READ_ONLY, Status.WRITE_ONLY)
    assert (OK, ADDRESS, BUSY, READ_ONLY, WRITE_ONLY) == tuple(code.value for code in codes)
    model = HostAccessModel(**_model(EngineConfig(p=1, m=1, n=1), 1), boot=True, streaming=True, spilling=True)
    assert [model.access(region_address(region, 0), True, False).kind for region in regions] == [
        "", "program", "tap", "weight", "feature", "", "external"
    ]  # fmt: skip
    writable = [number for number in range(16) if model.access(number, True, False).status == OK]
    assert writable == [registers.CONTROL.value, registers.LIMIT.value, registers.SCRATCH.value]
    assert [number for number in range(16) if model.access(number, False, False).status == OK] == [
        register.value for register in registers
    ]
