"""The PLL solvers: limits of the vendors, exact frequencies, errors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.boards.catalog import BOARDS
from macaw.boards.clock.ecp5_pll import solve_ecp5_pll
from macaw.boards.clock.gowin_pll import solve_gowin_pll
from macaw.boards.clock.ice40_pll import solve_ice40_pll
from macaw.boards.clock.intel_pll import solve_intel_pll
from macaw.boards.clock.xilinx_pll import solve_xilinx_pll
from macaw.hw.errors import UserError
from macaw.hw.primitives.target import Family


@settings(max_examples=60, deadline=None)
@given(
    input_hz=st.sampled_from([12_000_000, 25_000_000, 50_000_000, 100_000_000]),
    wanted_hz=st.integers(16 * 10**6, 4 * 10**8),
)
def test_ecp5_limits(input_hz: int, wanted_hz: int) -> None:
    setting = solve_ecp5_pll(input_hz, wanted_hz)
    assert setting.output_hz <= wanted_hz
    assert setting.output_hz == Fraction(input_hz, setting.input_divider) * setting.feedback_divider
    assert setting.oscillator_hz == setting.output_hz * setting.output_divider
    assert 3_125_000 <= Fraction(input_hz, setting.input_divider) <= 400_000_000
    assert 400_000_000 <= setting.oscillator_hz <= 800_000_000
    assert 3_125_000 <= setting.output_hz <= 400_000_000
    assert 1 <= setting.input_divider <= 128 and 1 <= setting.feedback_divider <= 80
    assert 1 <= setting.output_divider <= 128
    # Near enough: the detector's frequency is the coarsest step.
    assert wanted_hz - setting.output_hz < input_hz


@settings(max_examples=60, deadline=None)
@given(input_hz=st.sampled_from([12_000_000, 16_000_000, 100_000_000]), wanted_hz=st.integers(17 * 10**6, 275 * 10**6))
def test_ice40_limits(input_hz: int, wanted_hz: int) -> None:
    setting = solve_ice40_pll(input_hz, wanted_hz)
    assert setting.output_hz <= wanted_hz
    assert setting.output_hz == Fraction(input_hz * (setting.divf + 1), (setting.divr + 1) << setting.divq)
    assert 10_000_000 <= setting.detector_hz <= 133_000_000
    assert 533_000_000 <= setting.oscillator_hz <= 1_066_000_000
    assert 16_000_000 <= setting.output_hz <= 275_000_000
    assert 0 <= setting.divr <= 15 and 0 <= setting.divf <= 127 and 1 <= setting.divq <= 6
    assert 1 <= setting.filter_range <= 6


@settings(max_examples=40, deadline=None)
@given(input_hz=st.sampled_from([100_000_000, 125_000_000, 12_000_000 * 2]), wanted_hz=st.integers(7 * 10**6, 464 * 10**6))
def test_xilinx_limits(input_hz: int, wanted_hz: int) -> None:
    setting = solve_xilinx_pll(input_hz, wanted_hz)
    assert wanted_hz - input_hz < setting.output_hz <= wanted_hz
    assert setting.output_hz == Fraction(input_hz * setting.multiplier, setting.input_divider * setting.output_divider)
    assert 19_000_000 <= Fraction(input_hz, setting.input_divider) <= 450_000_000
    assert 800_000_000 <= setting.oscillator_hz <= 1_600_000_000
    assert 6_250_000 <= setting.output_hz <= 464_000_000
    assert 1 <= setting.input_divider <= 56 and 2 <= setting.multiplier <= 64 and 1 <= setting.output_divider <= 128


@settings(max_examples=40, deadline=None)
@given(input_hz=st.sampled_from([50_000_000, 24_000_000]), wanted_hz=st.integers(2 * 10**6, 460 * 10**6))
def test_intel_limits(input_hz: int, wanted_hz: int) -> None:
    setting = solve_intel_pll(input_hz, wanted_hz)
    assert wanted_hz - input_hz < setting.output_hz <= wanted_hz
    assert setting.output_hz == Fraction(input_hz * setting.multiplier, setting.input_divider * setting.output_divider)
    assert setting.output_hz.denominator == 1
    assert 5_000_000 <= Fraction(input_hz, setting.input_divider) <= 325_000_000
    assert 600_000_000 <= setting.oscillator_hz <= 1_300_000_000
    assert 1 <= setting.multiplier <= 256 and 1 <= setting.output_divider <= 512


def test_vendor_pll_errors() -> None:
    for solve, name in ((solve_xilinx_pll, "7 series"), (solve_intel_pll, "Cyclone V")):
        with pytest.raises(UserError, match=f"The {name} PLL cannot make 500 MHz from 50 MHz; the nearest it can make is 4"):
            solve(50_000_000, 500_000_000)
        with pytest.raises(UserError, match=f"The {name} PLL needs an input from"):
            solve(1_000_000, 100_000_000)


@settings(max_examples=60, deadline=None)
@given(
    part=st.sampled_from(["GW1NR-LV9QN88PC6/I5", "GW2A-LV18PG256C8/I7"]),
    input_hz=st.sampled_from([12_000_000, 27_000_000, 50_000_000]),
    wanted_hz=st.integers(16 * 10**6, 6 * 10**8),
)
def test_gowin_limits(part: str, input_hz: int, wanted_hz: int) -> None:
    setting = solve_gowin_pll(part, input_hz, wanted_hz)
    small = part.startswith("GW1NR")
    assert setting.device == ("GW1NR-9C" if small else "GW2A-18C")
    assert setting.output_hz <= wanted_hz
    assert setting.output_hz == Fraction(input_hz, setting.input_divider) * setting.feedback_divider
    assert 3_000_000 <= setting.detector_hz <= (400_000_000 if small else 500_000_000)
    assert (400_000_000 if small else 500_000_000) <= setting.oscillator_hz <= (1_200_000_000 if small else 1_250_000_000)
    assert setting.oscillator_hz == setting.output_hz * setting.output_divider
    assert 1 <= setting.input_divider <= 64 and 1 <= setting.feedback_divider <= 64
    assert setting.output_divider in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
    assert wanted_hz - setting.output_hz < input_hz


def _calculator(name: str, *arguments: str) -> str:
    """What the calculator that comes with nextpnr prints."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    tool = shutil.which(name, path=folders)
    assert tool is not None
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=True).stdout


def _default_clocks(*families: Family) -> list[tuple[str, int, int]]:
    """Part (Gowin), oscillator and default clock of the boards of these families, each once."""
    return sorted(
        {
            (board.part if board.family is Family.GOWIN else "", board.input_hz, board.default_clock_hz)
            for board in BOARDS.values()
            if board.family in families
        }
    )


@pytest.mark.parametrize("clocks", _default_clocks(Family.ECP5))
def test_ecppll(clocks: tuple[str, int, int]) -> None:
    _, input_hz, wanted_hz = clocks
    text = _calculator("yowasp-ecppll", "-i", f"{input_hz / 1e6:g}", "-o", f"{wanted_hz / 1e6:g}")
    found = [int(re.search(rf"{name} divisor: (\d+)", text)[1]) for name in ("Refclk", "Feedback", "clkout0")]  # type: ignore[index]
    setting = solve_ecp5_pll(input_hz, wanted_hz)
    assert [setting.input_divider, setting.feedback_divider, setting.output_divider] == found


@pytest.mark.parametrize("clocks", _default_clocks(Family.ICE40, Family.ICE40UP))
def test_icepll(clocks: tuple[str, int, int]) -> None:
    _, input_hz, wanted_hz = clocks
    text = _calculator("yowasp-icepll", "-i", f"{input_hz / 1e6:g}", "-o", f"{wanted_hz / 1e6:g}")
    found = [int(re.search(rf"{name}: +(\d+)", text)[1]) for name in ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE")]  # type: ignore[index]
    setting = solve_ice40_pll(input_hz, wanted_hz)
    assert [setting.divr, setting.divf, setting.divq, setting.filter_range] == found


@pytest.mark.parametrize("clocks", _default_clocks(Family.GOWIN))
def test_gowin_pll(clocks: tuple[str, int, int]) -> None:
    part, input_hz, wanted_hz = clocks
    device = {"GW1NR-LV9QN88PC6/I5": "GW1NR-9 C6/I5", "GW2A-LV18PG256C8/I7": "GW2A-18 C8/I7"}[part]
    text = _calculator("gowin_pll", "-d", device, "-i", f"{input_hz / 1e6:g}", "-o", f"{wanted_hz / 1e6:g}")
    found = [int(re.search(rf"\.{name}\((\d+)\)", text)[1]) for name in ("IDIV_SEL", "FBDIV_SEL", "ODIV_SEL")]  # type: ignore[index]
    setting = solve_gowin_pll(part, input_hz, wanted_hz)
    assert [setting.input_divider - 1, setting.feedback_divider - 1, setting.output_divider] == found


@pytest.mark.parametrize(
    ("input_hz", "wanted_hz", "dividers"),
    [
        (25_000_000, 100_000_000, (1, 4, 6)),
        (25_000_000, 150_000_000, (1, 6, 4)),
        (25_000_000, 110_000_000, (5, 22, 5)),
        (12_000_000, 48_000_000, (1, 4, 12)),
    ],
)
def test_ecp5_exact(input_hz: int, wanted_hz: int, dividers: tuple[int, int, int]) -> None:
    setting = solve_ecp5_pll(input_hz, wanted_hz)
    assert setting.output_hz == wanted_hz
    assert (setting.input_divider, setting.feedback_divider, setting.output_divider) == dividers


@pytest.mark.parametrize(("wanted_hz", "divf"), [(24_000_000, 63), (30_000_000, 79)])
def test_ice40_exact(wanted_hz: int, divf: int) -> None:
    # The dividers that the vendor's calculator gives.
    setting = solve_ice40_pll(12_000_000, wanted_hz)
    assert setting.output_hz == wanted_hz
    assert (setting.divr, setting.divf, setting.divq, setting.filter_range) == (0, divf, 5, 1)


@pytest.mark.parametrize(
    ("solve", "input_hz", "wanted_hz", "sentence"),
    [
        (solve_ecp5_pll, 25_000_000, 2_000_000, "ECP5 PLL cannot make 2 MHz from 25 MHz; .* is 3.125 MHz"),
        (solve_ecp5_pll, 25_000_000, 500_000_000, "cannot make 500 MHz from 25 MHz; .* is 400 MHz"),
        (solve_ecp5_pll, 1_000_000, 100_000_000, "input from 8 to 400 MHz, not 1 MHz"),
        (solve_ice40_pll, 12_000_000, 10_000_000, "iCE40 PLL cannot make 10 MHz from 12 MHz; .* is 16.125 MHz"),
        (solve_ice40_pll, 12_000_000, 300_000_000, "cannot make 300 MHz from 12 MHz; .* is 270 MHz"),
        (solve_ice40_pll, 1_000_000, 20_000_000, "input from 10 to 133 MHz, not 1 MHz"),
        (partial(solve_gowin_pll, "GW1NR-LV9QN88PC6/I5"), 27_000_000, 700_000_000, "Gowin PLL cannot make 700 MHz from 27 MHz"),
        (partial(solve_gowin_pll, "GW2A-LV18PG256C8/I7"), 1_000_000, 20_000_000, "input from 3 to 500 MHz, not 1 MHz"),
    ],
)
def test_unreachable(solve: object, input_hz: int, wanted_hz: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        solve(input_hz, wanted_hz)  # type: ignore[operator]
