# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.external.sdram_controller and sdram_timing."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from macaw.hw.emit import verilog
from macaw.hw.errors import UserError
from macaw.hw.external.sdram_controller import SdramController
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.sim.sdram_model import SdramSystem, sdram_model_verilog
from macaw.sim.simulator import run_bench

QUICK = replace(MT48LC16M16, t_power_up=30_000)
"""As the real one, with a short pause behind power-up."""


@pytest.mark.parametrize(
    ("clock_hz", "pin_delay"), [(75_000_000, 2), pytest.param(20_000_000, 0, marks=pytest.mark.slow), pytest.param(133_000_000, 3, marks=pytest.mark.slow)]
)
def test_bench(tmp_path: Path, clock_hz: int, pin_delay: int) -> None:
    system = SdramSystem(QUICK, clock_hz, pin_delay=pin_delay)
    source = tmp_path / "sdram.v"
    source.write_text(verilog(system, name="sdram") + sdram_model_verilog())
    told = {"cycles": asdict(QUICK.cycles(clock_hz)), "pin_delay": pin_delay}
    assert run_bench(
        source, top="sdram", test_module="macaw.sim.bench.sdram_controller", build_dir=tmp_path, parameters=told
    ) == 2  # fmt: skip


def test_times_in_cycles() -> None:
    fast, slow = MT48LC16M16.cycles(133_000_000), MT48LC16M16.cycles(50_000_000)
    assert (fast.cas, fast.t_rcd, fast.t_ras, fast.t_rc, fast.t_rfc, fast.interval) == (3, 3, 6, 9, 9, 1039)
    assert (slow.cas, slow.t_rcd, slow.t_ras, slow.t_rc, slow.t_rfc, slow.interval) == (2, 2, 3, 4, 4, 390)
    assert fast.words == 8 << 20


@pytest.mark.parametrize("clock_hz", [1_000_000, 134_000_000])
def test_clock_rule(clock_hz: int) -> None:
    with pytest.raises(UserError, match="runs at 5 to 133 MHz, not at .* MHz: choose another --clock"):
        MT48LC16M16.cycles(clock_hz)


def test_pin_delay_rule() -> None:
    with pytest.raises(ValueError, match="pin_delay must be from 0 to 7, not 8"):
        SdramController(MT48LC16M16.cycles(75_000_000), pin_delay=8)


def test_row_rule() -> None:
    with pytest.raises(ValueError, match="a row must hold a burst of 64 words, not 32"):
        SdramController(replace(MT48LC16M16, column_bits=6).cycles(75_000_000))
