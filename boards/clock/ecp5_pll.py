"""The PLL of the ECP5: dividers for a wanted frequency, and the cell."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, Module

from .frequency import input_dividers, nearest_setting
from .reference_pll import ReferencePll

__all__ = ["Ecp5Pll", "Ecp5PllSetting", "solve_ecp5_pll"]

_INPUT_HZ = (8_000_000, 400_000_000)
_DETECTOR_HZ = (3_125_000, 400_000_000)
_OSCILLATOR_HZ = (400_000_000, 800_000_000)
_OUTPUT_HZ = (3_125_000, 400_000_000)
_INPUT_DIVIDERS = range(1, 129)
_FEEDBACK_DIVIDERS = range(1, 81)
_OUTPUT_DIVIDERS = range(1, 129)


@dataclass(frozen=True)
class Ecp5PllSetting:
    """Dividers of an EHXPLLL with the feedback from its output: output = input / input_divider * feedback_divider.

    Attributes
    ----------
    input_hz : int
    input_divider : int, 1..128
    feedback_divider : int, 1..80
    output_divider : int, 1..128
        From the oscillator (400 to 800 MHz) to the output.
    """

    input_hz: int
    input_divider: int
    feedback_divider: int
    output_divider: int

    @property
    def output_hz(self) -> Fraction:
        """Output frequency, exact."""
        return Fraction(self.input_hz * self.feedback_divider, self.input_divider)

    @property
    def oscillator_hz(self) -> Fraction:
        """Frequency of the oscillator, exact."""
        return self.output_hz * self.output_divider


@functools.cache
def _settings(input_hz: int) -> dict[Fraction, Ecp5PllSetting]:
    """The best setting of each frequency: least input divider, then the oscillator nearest to 600 MHz."""
    found: dict[Fraction, Ecp5PllSetting] = {}
    for input_divider in input_dividers(input_hz, _INPUT_DIVIDERS, _DETECTOR_HZ):
        for feedback_divider in _FEEDBACK_DIVIDERS:
            output = Fraction(input_hz * feedback_divider, input_divider)
            if output in found or not _OUTPUT_HZ[0] <= output <= _OUTPUT_HZ[1]:
                continue
            dividers = [d for d in _OUTPUT_DIVIDERS if _OSCILLATOR_HZ[0] <= output * d <= _OSCILLATOR_HZ[1]]
            if dividers:
                best = min(dividers, key=lambda d: abs(output * d - 600_000_000))
                found[output] = Ecp5PllSetting(input_hz, input_divider, feedback_divider, best)
    return found


def solve_ecp5_pll(input_hz: int, wanted_hz: int) -> Ecp5PllSetting:
    """The setting whose output is ``wanted_hz``, or the nearest frequency below it.

    Raises UserError, with the nearest frequencies, if no output of the PLL is at or below ``wanted_hz`` or if it is
    above the highest one; and if the input is not within 8 to 400 MHz.
    """
    return nearest_setting(
        "ECP5", input_hz, wanted_hz, inputs=_INPUT_HZ, highest_hz=_OUTPUT_HZ[1], settings=lambda: _settings(input_hz)
    )


class Ecp5Pll(ReferencePll[Ecp5PllSetting]):
    """An EHXPLLL with one output, in phase with the reference if the input divider is 1."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        setting = self.setting
        m.submodules.cell = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{setting.input_hz / 1e6:.6f}",
            a_FREQUENCY_PIN_CLKOP=f"{float(setting.output_hz) / 1e6:.6f}",
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED", p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB", p_OUTDIVIDER_MUXC="DIVC", p_OUTDIVIDER_MUXD="DIVD",
            p_CLKI_DIV=setting.input_divider, p_CLKFB_DIV=setting.feedback_divider, p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=setting.output_divider,
            p_CLKOP_CPHASE=setting.output_divider - 1, p_CLKOP_FPHASE=0,
            i_CLKI=self.reference, i_CLKFB=self.clock, i_RST=Const(0), i_STDBY=Const(0),
            i_PHASESEL0=Const(0), i_PHASESEL1=Const(0), i_PHASEDIR=Const(1), i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1), i_PLLWAKESYNC=Const(0), i_ENCLKOP=Const(0),
            o_CLKOP=self.clock, o_LOCK=self.locked,
        )  # fmt: skip
        return m
