"""The rate of a serial line that a clock can make."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..hw.errors import UserError

__all__ = ["BRIDGE_BAUDS", "FT2232H_BAUDS", "SLOW_BRIDGE_BAUDS", "serial_rate"]

_LEAST_DIVISOR = 8
_WORST_BAUD_ERROR = 0.015

BRIDGE_BAUDS = (3_000_000, 2_000_000, 1_500_000, 1_000_000, 500_000, 250_000, 115_200)
"""Rates that FTDI's bridges and their like make exactly, best first."""

FT2232H_BAUDS = (3_000_000, 2_400_000, 2_000_000, 1_500_000, 1_200_000, 1_000_000, 500_000, 250_000, 115_200)
"""The FT2232H makes 12 MHz divided by any whole number from 2 on, too."""

SLOW_BRIDGE_BAUDS = (115_200,)
"""Bridges made of a microcontroller, of which no higher rate is documented."""


def serial_rate(bauds: Sequence[int], clock_hz: int, title: str) -> tuple[int, int]:
    """The first of ``bauds`` that a whole divisor of ``clock_hz`` meets within 1.5 %, with 8 cycles a bit or more, and
    that divisor.

    Raises UserError, which names the board by its ``title``, if there is none.
    """
    for baud in bauds:
        divisor = round(Fraction(clock_hz, baud))
        if divisor >= _LEAST_DIVISOR and abs(Fraction(clock_hz, divisor * baud) - 1) < _WORST_BAUD_ERROR:
            return baud, divisor
    raise UserError(f"No serial rate of the {title} fits a clock of {clock_hz / 1e6:g} MHz; choose another --clock.")
