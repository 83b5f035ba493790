# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.axi_lite."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.axi_lite import AxiLite
from macaw.hw.errors import UserError
from macaw.sim.simulator import run_bench


@pytest.mark.parametrize("bits", [3, 25, "12"])
def test_parameter_rules(bits: object) -> None:
    with pytest.raises(UserError, match="offset of an address window must have from 4 to 24 bits"):
        AxiLite(bits)  # type: ignore[arg-type]


@pytest.mark.parametrize(("offset_bits", "simulator"), [pytest.param(24, "verilator", marks=pytest.mark.slow), (9, "icarus")])
def test_bench(tmp_path: Path, offset_bits: int, simulator: str) -> None:
    run_bench(
        AxiLite(offset_bits), top="axi_lite", test_module="macaw.sim.bench.axi_lite", build_dir=tmp_path,
        simulator=simulator, parameters={"offset_bits": offset_bits, "latency": AxiLite.latency},
    )  # fmt: skip
