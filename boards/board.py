"""What is true of one board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..hw.errors import UserError
from ..hw.primitives.target import Family
from .clock.ecp5_pll import Ecp5PllSetting, solve_ecp5_pll
from .clock.ice40_pll import Ice40PllSetting, solve_ice40_pll

__all__ = ["Board", "Capacity"]

_LEAST_DIVISOR = 8
_WORST_BAUD_ERROR = 0.015


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What the device of a board holds.

    Attributes
    ----------
    luts : int
        4-input look-up tables.
    registers : int
    block_rams : int
        Blocks.
    block_ram_bits : int
        Bits of one block, parity bits included.
    multipliers : int
        Multiplier cells.
    products_per_multiplier : int
        Signed 8 x 8 products that one cell makes in a cycle.
    single_port_rams : int
        Blocks of 16 Ki x 16 bits.
    """

    luts: int
    registers: int
    block_rams: int
    block_ram_bits: int
    multipliers: int
    products_per_multiplier: int
    single_port_rams: int = 0


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that Macaw builds for.

    Attributes
    ----------
    name : str
        As in ``--board``.
    title : str
        For people.
    family : Family
    part : str
        The device as its vendor calls it.
    platform : callable
        Makes a fresh Amaranth platform; a platform is good for one build.
    capacity : Capacity
    clock_resource : tuple of str and int
        The oscillator's resource on the platform.
    input_hz : int
        The oscillator's frequency.
    default_clock_hz : int
        Clock of the engine unless the user asks for another.
    bauds : tuple of int
        Rates that the board's serial bridge makes exactly, best first.
    uart_resource : tuple of str and int
        Resource with the subsignals ``rx`` and ``tx`` as the FPGA sees them.
    leds : tuple of 3 resources or None
        Where alive, busy and error are shown.
    tie_high : tuple of (resource, number, subsignal)
        Outputs that must be high for the board to work.
    nextpnr_arguments : tuple of str
        Device, package and speed for nextpnr.
    multiplier_latency, requantizer_digit, weight_memory
        Parameters of an EngineConfig that follow from the device.
    """

    name: str
    title: str
    family: Family
    part: str
    platform: Callable[[], Any]
    capacity: Capacity
    clock_resource: tuple[str, int]
    input_hz: int
    default_clock_hz: int
    bauds: tuple[int, ...]
    uart_resource: tuple[str, int]
    leds: tuple[tuple[str, int] | None, tuple[str, int] | None, tuple[str, int] | None]
    nextpnr_arguments: tuple[str, ...]
    multiplier_latency: int
    requantizer_digit: int
    weight_memory: str
    tie_high: tuple[tuple[str, int, str], ...] = ()

    def pll_setting(self, wanted_hz: int) -> Ecp5PllSetting | Ice40PllSetting | None:
        """The PLL's setting for the frequency nearest to ``wanted_hz`` at or below it; None if the oscillator has it.

        Raises UserError if the frequency is out of the PLL's reach.
        """
        if wanted_hz == self.input_hz:
            return None
        solve = solve_ecp5_pll if self.family is Family.ECP5 else solve_ice40_pll
        return solve(self.input_hz, wanted_hz)

    def clock_hz(self, wanted_hz: int | None = None) -> int:
        """The clock that the board really makes for ``wanted_hz`` (default: the board's own), rounded to 1 Hz.

        Raises UserError if the frequency is out of the PLL's reach.
        """
        wanted_hz = self.default_clock_hz if wanted_hz is None else wanted_hz
        setting = self.pll_setting(wanted_hz)
        return self.input_hz if setting is None else round(setting.output_hz)

    def baud(self, clock_hz: int) -> int:
        """The first of ``bauds`` that a whole divisor of ``clock_hz`` meets within 1.5 %, with 8 cycles a bit or more.

        Raises UserError if there is none.
        """
        for baud in self.bauds:
            divisor = round(Fraction(clock_hz, baud))
            if divisor >= _LEAST_DIVISOR and abs(Fraction(clock_hz, divisor * baud) - 1) < _WORST_BAUD_ERROR:
                return baud
        raise UserError(
            f"No serial rate of the {self.title} fits a clock of {clock_hz / 1e6:g} MHz; choose another --clock."
        )

    def divisor(self, clock_hz: int) -> int:
        """Clock cycles a bit of the serial line at :meth:`baud`."""
        return round(Fraction(clock_hz, self.baud(clock_hz)))
