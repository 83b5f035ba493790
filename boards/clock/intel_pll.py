"""The PLL of the Cyclone V: frequencies that it makes, and the megafunction."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, Module

from .frequency import input_dividers, nearest_setting
from .reference_pll import ReferencePll

__all__ = ["IntelPll", "IntelPllSetting", "solve_intel_pll"]

# Cyclone V device data sheet, in what all speed grades have in common. Quartus takes frequencies and chooses the dividers itself;
# ours prove that there are some.
_INPUT_HZ = (5_000_000, 500_000_000)
_DETECTOR_HZ = (5_000_000, 325_000_000)
_OSCILLATOR_HZ = (600_000_000, 1_300_000_000)
_OUTPUT_HZ = (1_200_000, 460_000_000)
_INPUT_DIVIDERS = range(1, 11)
_MULTIPLIERS = range(1, 257)
_OUTPUT_DIVIDERS = range(1, 513)


@dataclass(frozen=True)
class IntelPllSetting:
    """Dividers in integer mode: output = input / input_divider * multiplier / output_divider.

    Attributes
    ----------
    input_hz : int
    input_divider : int, 1..10
    multiplier : int, 1..256
    output_divider : int, 1..512
    """

    input_hz: int
    input_divider: int
    multiplier: int
    output_divider: int

    @property
    def oscillator_hz(self) -> Fraction:
        """Frequency of the oscillator, exact."""
        return Fraction(self.input_hz * self.multiplier, self.input_divider)

    @property
    def output_hz(self) -> Fraction:
        """Output frequency, exact."""
        return self.oscillator_hz / self.output_divider


@functools.cache
def _settings(input_hz: int) -> dict[Fraction, IntelPllSetting]:
    """The setting of each whole number of Hz with the least input divider and the slowest oscillator."""
    found: dict[Fraction, IntelPllSetting] = {}
    for input_divider in input_dividers(input_hz, _INPUT_DIVIDERS, _DETECTOR_HZ):
        for multiplier in _MULTIPLIERS:
            oscillator = Fraction(input_hz * multiplier, input_divider)
            if not _OSCILLATOR_HZ[0] <= oscillator <= _OSCILLATOR_HZ[1]:
                continue
            for output_divider in _OUTPUT_DIVIDERS:
                output = oscillator / output_divider
                if output.denominator == 1 and _OUTPUT_HZ[0] <= output <= _OUTPUT_HZ[1]:
                    found.setdefault(output, IntelPllSetting(input_hz, input_divider, multiplier, output_divider))
    return found


def solve_intel_pll(input_hz: int, wanted_hz: int) -> IntelPllSetting:
    """The setting whose output is ``wanted_hz``, or the nearest whole number of Hz below it.

    Raises UserError, with the nearest frequencies, if no output of the PLL is at or below ``wanted_hz`` or if it is
    above the highest one; and if the input is not within 5 to 500 MHz.
    """
    return nearest_setting(
        "Cyclone V", input_hz, wanted_hz, inputs=_INPUT_HZ, highest_hz=_OUTPUT_HZ[1], settings=lambda: _settings(input_hz)
    )


class IntelPll(ReferencePll[IntelPllSetting]):
    """An altera_pll with one output."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        setting = self.setting
        m.submodules.cell = Instance(
            "altera_pll",
            p_fractional_vco_multiplier="false", p_operation_mode="direct", p_number_of_clocks=1, p_duty_cycle0=50,
            p_reference_clock_frequency=f"{setting.input_hz / 1e6:.6f} MHz",
            p_output_clock_frequency0=f"{int(setting.output_hz) / 1e6:.6f} MHz",
            p_phase_shift0="0 ps", p_pll_type="General", p_pll_subtype="General",
            i_refclk=self.reference, i_rst=Const(0), i_fbclk=Const(0), o_outclk=self.clock, o_locked=self.locked,
        )  # fmt: skip
        return m
