"""The PLL solvers: limits of the vendors, exact frequencies, errors."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.boards.clock.ecp5_pll import solve_ecp5_pll
from macaw.boards.clock.ice40_pll import solve_ice40_pll
from macaw.hw.errors import UserError


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
    ],
)
def test_unreachable(solve: object, input_hz: int, wanted_hz: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        solve(input_hz, wanted_hz)  # type: ignore[operator]
