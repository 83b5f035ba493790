# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.spi_slave."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.spi_slave import SpiSlave
from macaw.sim.golden.spi_slave import SpiSlaveModel
from macaw.sim.simulator import run_bench


def test_golden_model() -> None:
    model = SpiSlaveModel()
    model.queue.extend(b"\x80\x01")
    assert model.transfer([0] * 8) == [1, 0, 0, 0, 0, 0, 0, 0]
    assert model.transfer([1] * 4) == [0] * 4  # the second byte is cut
    assert model.transfer([0, 0, 0, 0, 0, 0, 1, 0] + [0] * 8) == [0] * 16
    assert model.delivered == b"\x02\x00"


@pytest.mark.parametrize(("simulator", "tests"), [("verilator", "."), ("icarus", "latency|lost|reset|follow")])
def test_bench(tmp_path: Path, simulator: str, tests: str) -> None:
    run_bench(
        SpiSlave(), top="spi_slave", test_module="macaw.sim.bench.spi_slave", build_dir=tmp_path, simulator=simulator,
        parameters={"cycles_a_bit": SpiSlave.cycles_a_bit, "latency": SpiSlave.latency}, test_filter=tests,
    )  # fmt: skip
