"""The PLL of the iCE40: dividers for a wanted frequency, and the cell, on its pad or in the core."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, IOPort, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from .frequency import input_dividers, nearest_setting
from .reference_pll import ReferencePll

__all__ = ["Ice40CorePll", "Ice40PadPll", "Ice40PllSetting", "solve_ice40_pll"]

_INPUT_HZ = (10_000_000, 133_000_000)
_DETECTOR_HZ = (10_000_000, 133_000_000)
_OSCILLATOR_HZ = (533_000_000, 1_066_000_000)
_OUTPUT_HZ = (16_000_000, 275_000_000)
_FILTER_HZ = (17_000_000, 26_000_000, 44_000_000, 66_000_000, 101_000_000)


@dataclass(frozen=True)
class Ice40PllSetting:
    """Dividers of an SB_PLL40 with simple feedback: output = input * (divf + 1) / (divr + 1) / 2**divq.

    Attributes
    ----------
    input_hz : int
    divr : int, 0..15
    divf : int, 0..127
    divq : int, 1..6
    """

    input_hz: int
    divr: int
    divf: int
    divq: int

    @property
    def detector_hz(self) -> Fraction:
        """Frequency at the phase detector, exact."""
        return Fraction(self.input_hz, self.divr + 1)

    @property
    def oscillator_hz(self) -> Fraction:
        """Frequency of the oscillator, exact."""
        return self.detector_hz * (self.divf + 1)

    @property
    def output_hz(self) -> Fraction:
        """Output frequency, exact."""
        return self.oscillator_hz / (1 << self.divq)

    @property
    def filter_range(self) -> int:
        """The cell's setting for the loop filter."""
        return 1 + sum(self.detector_hz >= limit for limit in _FILTER_HZ)


@functools.cache
def _settings(input_hz: int) -> dict[Fraction, Ice40PllSetting]:
    """The setting of each frequency with the least input divider."""
    found: dict[Fraction, Ice40PllSetting] = {}
    for divider in input_dividers(input_hz, range(1, 17), _DETECTOR_HZ):
        for divf in range(128):
            for divq in range(1, 7):
                setting = Ice40PllSetting(input_hz, divider - 1, divf, divq)
                if (
                    _OSCILLATOR_HZ[0] <= setting.oscillator_hz <= _OSCILLATOR_HZ[1]
                    and _OUTPUT_HZ[0] <= setting.output_hz <= _OUTPUT_HZ[1]
                ):
                    found.setdefault(setting.output_hz, setting)
    return found


def solve_ice40_pll(input_hz: int, wanted_hz: int) -> Ice40PllSetting:
    """The setting whose output is ``wanted_hz``, or the nearest frequency below it.

    Raises UserError, with the nearest frequencies, if no output of the PLL is at or below ``wanted_hz`` or if it is
    above the highest one; and if the input is not within 10 to 133 MHz.
    """
    return nearest_setting(
        "iCE40", input_hz, wanted_hz, inputs=_INPUT_HZ, highest_hz=_OUTPUT_HZ[1], settings=lambda: _settings(input_hz)
    )


class Ice40PadPll(wiring.Component):
    """An SB_PLL40_PAD: the PLL takes its reference straight from its own pad, which has no other use then.

    Parameters
    ----------
    setting : Ice40PllSetting
    pad : IOPort, 1 bit
        The pad of ``setting.input_hz``, with no buffer on it.

    Members
    -------
    clock : Out(1)
        Clock of ``setting.output_hz``, on a global net.
    locked : Out(1)
        High when the output is stable; asynchronous.
    """

    clock: Signal
    locked: Signal

    def __init__(self, setting: Ice40PllSetting, pad: IOPort) -> None:
        self.setting = setting
        self.pad = pad
        super().__init__({"clock": Out(1), "locked": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.cell = _cell("SB_PLL40_PAD", self.setting, self.clock, self.locked, i_PACKAGEPIN=self.pad)
        return m


class Ice40CorePll(ReferencePll[Ice40PllSetting]):
    """An SB_PLL40_CORE; its output is on a global net."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.cell = _cell("SB_PLL40_CORE", self.setting, self.clock, self.locked, i_REFERENCECLK=self.reference)
        return m


def _cell(name: str, setting: Ice40PllSetting, clock: Signal, locked: Signal, **reference: Any) -> Instance:
    return Instance(
        name,
        p_FEEDBACK_PATH="SIMPLE", p_PLLOUT_SELECT="GENCLK",
        p_DIVR=Const(setting.divr, 4), p_DIVF=Const(setting.divf, 7), p_DIVQ=Const(setting.divq, 3),
        p_FILTER_RANGE=Const(setting.filter_range, 3),
        i_RESETB=Const(1), i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock, o_LOCK=locked, **reference,
    )  # fmt: skip
