"""The PLL of the Gowin GW1N and GW2A: dividers for a wanted frequency, and the cell."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, Module

from .frequency import input_dividers, nearest_setting
from .reference_pll import ReferencePll

__all__ = ["GowinPll", "GowinPllSetting", "solve_gowin_pll"]

_INPUT_DIVIDERS = range(1, 65)
_FEEDBACK_DIVIDERS = range(1, 65)
_OUTPUT_DIVIDERS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


@dataclass(frozen=True)
class _Limits:
    """Frequencies in Hz by the data sheets DS117E (GW1NR, C6/I5) and DS102E (GW2A, C8/I7): input, phase detector,
    oscillator, output; and the name of the device in the cell's parameters."""

    device: str
    input_hz: tuple[int, int]
    detector_hz: tuple[int, int]
    oscillator_hz: tuple[int, int]
    output_hz: tuple[int, int]


_LIMITS = {
    "GW1NR": _Limits(
        "GW1NR-9C", (3_000_000, 400_000_000), (3_000_000, 400_000_000), (400_000_000, 1_200_000_000),
        (3_125_000, 600_000_000),
    ),
    "GW2A": _Limits(
        "GW2A-18C", (3_000_000, 500_000_000), (3_000_000, 500_000_000), (500_000_000, 1_250_000_000),
        (3_906_250, 625_000_000),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class GowinPllSetting:
    """Dividers of an rPLL with the feedback from its output: output = input / input_divider * feedback_divider.

    Attributes
    ----------
    device : str
        The cell's parameter DEVICE.
    input_hz : int
    input_divider, feedback_divider : int, 1..64
    output_divider : int, 2..128
        From the oscillator to the output.
    """

    device: str
    input_hz: int
    input_divider: int
    feedback_divider: int
    output_divider: int

    @property
    def detector_hz(self) -> Fraction:
        """Frequency at the phase detector, exact."""
        return Fraction(self.input_hz, self.input_divider)

    @property
    def output_hz(self) -> Fraction:
        """Output frequency, exact."""
        return self.detector_hz * self.feedback_divider

    @property
    def oscillator_hz(self) -> Fraction:
        """Frequency of the oscillator, exact."""
        return self.output_hz * self.output_divider


@functools.cache
def _settings(limits: _Limits, input_hz: int) -> dict[Fraction, GowinPllSetting]:
    """The best setting of each frequency: least input divider, then the slowest oscillator."""
    found: dict[Fraction, GowinPllSetting] = {}
    for input_divider in input_dividers(input_hz, _INPUT_DIVIDERS, limits.detector_hz):
        for feedback_divider in _FEEDBACK_DIVIDERS:
            output = Fraction(input_hz * feedback_divider, input_divider)
            if output in found or not limits.output_hz[0] <= output <= limits.output_hz[1]:
                continue
            for output_divider in _OUTPUT_DIVIDERS:
                if limits.oscillator_hz[0] <= output * output_divider <= limits.oscillator_hz[1]:
                    found[output] = GowinPllSetting(
                        limits.device, input_hz, input_divider, feedback_divider, output_divider
                    )
                    break
    return found


def solve_gowin_pll(part: str, input_hz: int, wanted_hz: int) -> GowinPllSetting:
    """The setting whose output is ``wanted_hz``, or the nearest frequency below it, for a part (GW1NR-... or GW2A-...).

    Raises UserError, with the nearest frequencies, if no output of the PLL is at or below ``wanted_hz`` or if it is
    above the highest one; and if the input is out of range.
    """
    limits = _LIMITS[part.split("-")[0]]
    return nearest_setting(
        "Gowin", input_hz, wanted_hz, inputs=limits.input_hz, highest_hz=limits.output_hz[1],
        settings=lambda: _settings(limits, input_hz),
    )  # fmt: skip


class GowinPll(ReferencePll[GowinPllSetting]):
    """An rPLL with one output and internal feedback."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        setting = self.setting
        m.submodules.cell = Instance(
            "rPLL",
            p_FCLKIN=f"{setting.input_hz / 1e6:g}", p_DEVICE=setting.device,
            p_IDIV_SEL=setting.input_divider - 1, p_FBDIV_SEL=setting.feedback_divider - 1,
            p_ODIV_SEL=setting.output_divider,
            p_DYN_IDIV_SEL="false", p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false", p_DYN_DA_EN="false",
            p_PSDA_SEL="0000", p_DUTYDA_SEL="1000", p_CLKFB_SEL="internal", p_CLKOUT_BYPASS="false",
            i_CLKIN=self.reference, i_CLKFB=Const(0), i_RESET=Const(0), i_RESET_P=Const(0),
            i_IDSEL=Const(0, 6), i_FBDSEL=Const(0, 6), i_ODSEL=Const(0, 6),
            i_PSDA=Const(0, 4), i_DUTYDA=Const(0, 4), i_FDLY=Const(0, 4),
            o_CLKOUT=self.clock, o_LOCK=self.locked,
        )  # fmt: skip
        return m
