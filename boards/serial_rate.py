"""The rate of a serial line that a clock can make."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..hw.errors import UserError

__all__ = ["BRIDGE_BAUDS", "FT2232H_BAUDS", "SLOW_BRIDGE_BAUDS", "serial_rate"]

_LEAST_DIVISOR = 8
_WORST_BAUD_ERROR = 0.015
_FASTEST_UNASKED = 3_000_000
_LEAST_WANTED_DIVISOR = 4
_WORST_WANTED_ERROR = Fraction(2, 100)

BRIDGE_BAUDS = (3_000_000, 2_000_000, 1_500_000, 1_000_000, 500_000, 250_000, 115_200)
"""Rates that FTDI's bridges and their like make exactly, best first."""

FT2232H_BAUDS = (
    12_000_000, 8_000_000, 6_000_000, 4_000_000, 3_000_000, 2_400_000, 2_000_000, 1_500_000, 1_200_000, 1_000_000, 500_000,
    250_000, 115_200,
)  # fmt: skip
"""The FT2232H and the FT232H make 12 MHz, 8 MHz, and 12 MHz divided by any whole number from 2 on, too."""

SLOW_BRIDGE_BAUDS = (115_200,)
"""Bridges made of a microcontroller, of which no higher rate is documented."""


def serial_rate(bauds: Sequence[int], clock_hz: int, title: str, wanted: int | None = None) -> tuple[int, int]:
    """A rate in bits a second, and the clock cycles of a bit.

    Without ``wanted`` the first of ``bauds`` up to 3 Mbaud that a whole divisor of ``clock_hz`` meets within 1.5 %, with 8
    cycles a bit or more. ``wanted`` may be any rate up to the first of ``bauds`` that a divisor of 4 or more meets within
    2 %: the receiver samples 4 cycles a bit at most 1.25 of them from the middle of the tenth bit then.

    Raises UserError, which names the board by its ``title`` and what would work, if there is none.
    """
    if wanted is not None:
        return wanted, _divisor(bauds, clock_hz, title, wanted)
    for baud in bauds:
        if baud > _FASTEST_UNASKED:
            continue
        divisor = round(Fraction(clock_hz, baud))
        if divisor >= _LEAST_DIVISOR and abs(Fraction(clock_hz, divisor * baud) - 1) < _WORST_BAUD_ERROR:
            return baud, divisor
    raise UserError(f"No serial rate of the {title} fits a clock of {clock_hz / 1e6:g} MHz; choose another --clock.")


def _meets(clock_hz: int, baud: int) -> int:
    """The divisor that meets a rate, or 0."""
    divisor = round(Fraction(clock_hz, baud))
    meets = divisor >= _LEAST_WANTED_DIVISOR and abs(Fraction(clock_hz, divisor * baud) - 1) < _WORST_WANTED_ERROR
    return divisor if meets else 0


def _divisor(bauds: Sequence[int], clock_hz: int, title: str, wanted: int) -> int:
    fitting = ", ".join(f"{baud}" for baud in bauds if _meets(clock_hz, baud)) or "none"
    if not 300 <= wanted <= bauds[0]:
        raise UserError(
            f"The serial line of the {title} can have 300 to {bauds[0]} baud, not {wanted}; at {clock_hz / 1e6:g} MHz these "
            f"rates fit: {fitting}."
        )
    if divisor := _meets(clock_hz, wanted):
        return divisor
    nearest = max(_LEAST_WANTED_DIVISOR, round(Fraction(clock_hz, wanted)))
    made = clock_hz / nearest
    raise UserError(
        f"A clock of {clock_hz / 1e6:g} MHz cannot make {wanted} baud: {nearest} cycles a bit, where {_LEAST_WANTED_DIVISOR} is "
        f"the least, are {made:.0f} baud, {100 * abs(made / wanted - 1):.1f} % off and not less than "
        f"{100 * float(_WORST_WANTED_ERROR):g} %; choose one of {fitting}, or another --clock, as "
        f"{_clock_for(clock_hz, wanted) / 1e6:g}."
    )


def _clock_for(clock_hz: int, baud: int) -> int:
    """The multiple of a rate nearest to a clock."""
    return max(_LEAST_WANTED_DIVISOR, round(Fraction(clock_hz, baud))) * baud
