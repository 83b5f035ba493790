# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.axi_master."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.axi_master import AxiMaster
from macaw.hw.errors import UserError
from macaw.sim.simulator import run_bench

BASE = 0x1000_0000


@pytest.mark.parametrize("base", [-1, 1 << 25, 1 << 32, "0"])
def test_base(base: object) -> None:
    with pytest.raises(UserError, match="base of an AXI master must be a multiple of 0x4000000 below"):
        AxiMaster(base)  # type: ignore[arg-type]


@pytest.mark.parametrize("outstanding", [0, 17, None])
def test_outstanding(outstanding: object) -> None:
    with pytest.raises(UserError, match="outstanding bursts of an AXI master must be from 1 to 16"):
        AxiMaster(outstanding=outstanding)  # type: ignore[arg-type]


def test_bench(tmp_path: Path) -> None:
    run_bench(
        AxiMaster(BASE, outstanding=3), top="axi_master", test_module="macaw.sim.bench.axi_master", build_dir=tmp_path,
        simulator="icarus", parameters={"base": BASE, "outstanding": 3},
    )  # fmt: skip
