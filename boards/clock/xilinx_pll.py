"""The PLL of the 7 series: dividers for a wanted frequency, and the cell."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal

from .frequency import input_dividers, nearest_setting
from .reference_pll import ReferencePll

__all__ = ["XilinxPll", "XilinxPllSetting", "solve_xilinx_pll"]

# DS181 (Artix-7) and DS187 (Zynq-7000), speed grade -1.
_INPUT_HZ = (19_000_000, 800_000_000)
_DETECTOR_HZ = (19_000_000, 450_000_000)
_OSCILLATOR_HZ = (800_000_000, 1_600_000_000)
_OUTPUT_HZ = (6_250_000, 464_000_000)  # the global buffer's limit is below the PLL's
_INPUT_DIVIDERS = range(1, 57)
_MULTIPLIERS = range(64, 1, -1)
_OUTPUT_DIVIDERS = range(1, 129)


@dataclass(frozen=True)
class XilinxPllSetting:
    """Dividers of a PLLE2_BASE: output = input / input_divider * multiplier / output_divider.

    Attributes
    ----------
    input_hz : int
    input_divider : int, 1..56
    multiplier : int, 2..64
    output_divider : int, 1..128
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
def _settings(input_hz: int) -> dict[Fraction, XilinxPllSetting]:
    """The best setting of each frequency: least input divider, then the fastest oscillator, which jitters least."""
    found: dict[Fraction, XilinxPllSetting] = {}
    for input_divider in input_dividers(input_hz, _INPUT_DIVIDERS, _DETECTOR_HZ):
        for multiplier in _MULTIPLIERS:
            oscillator = Fraction(input_hz * multiplier, input_divider)
            if not _OSCILLATOR_HZ[0] <= oscillator <= _OSCILLATOR_HZ[1]:
                continue
            for output_divider in _OUTPUT_DIVIDERS:
                if _OUTPUT_HZ[0] * output_divider <= oscillator <= _OUTPUT_HZ[1] * output_divider:
                    setting = XilinxPllSetting(input_hz, input_divider, multiplier, output_divider)
                    found.setdefault(setting.output_hz, setting)
    return found


def solve_xilinx_pll(input_hz: int, wanted_hz: int) -> XilinxPllSetting:
    """The setting whose output is ``wanted_hz``, or the nearest frequency below it.

    Raises UserError, with the nearest frequencies, if no output of the PLL is at or below ``wanted_hz`` or if it is
    above the highest one; and if the input is not within 19 to 800 MHz.
    """
    return nearest_setting(
        "7 series", input_hz, wanted_hz, inputs=_INPUT_HZ, highest_hz=_OUTPUT_HZ[1], settings=lambda: _settings(input_hz)
    )


class XilinxPll(ReferencePll[XilinxPllSetting]):
    """A PLLE2_BASE with one output, on a global buffer."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        setting = self.setting
        output, feedback = Signal(), Signal()
        m.submodules.cell = Instance(
            "PLLE2_BASE",
            p_BANDWIDTH="OPTIMIZED", p_STARTUP_WAIT="FALSE", p_CLKIN1_PERIOD=1e9 / setting.input_hz,
            p_DIVCLK_DIVIDE=setting.input_divider, p_CLKFBOUT_MULT=setting.multiplier,
            p_CLKOUT0_DIVIDE=setting.output_divider,
            i_CLKIN1=self.reference, i_CLKFBIN=feedback, i_RST=Const(0), i_PWRDWN=Const(0),
            o_CLKFBOUT=feedback, o_CLKOUT0=output, o_LOCKED=self.locked,
        )  # fmt: skip
        m.submodules.buffer = Instance("BUFG", i_I=output, o_O=self.clock)
        return m
