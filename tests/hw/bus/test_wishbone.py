# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.wishbone."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.wishbone import Wishbone
from macaw.hw.errors import UserError
from macaw.sim.simulator import run_bench


@pytest.mark.parametrize("bits", [3, 25, None])
def test_parameter_rules(bits: object) -> None:
    with pytest.raises(UserError, match="offset of an address window must have from 4 to 24 bits"):
        Wishbone(bits)  # type: ignore[arg-type]


@pytest.mark.parametrize("pipelined", [False, True])
def test_bench(tmp_path: Path, pipelined: bool) -> None:
    run_bench(
        Wishbone(10, pipelined=pipelined), top="wishbone", test_module="macaw.sim.bench.wishbone", build_dir=tmp_path,
        simulator="icarus", parameters={"offset_bits": 10, "pipelined": pipelined, "latency": Wishbone.latency},
    )  # fmt: skip
