"""How a PLL says that it cannot make a frequency."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ...hw.errors import UserError

__all__ = ["unreachable"]


def unreachable(family: str, input_hz: int, wanted_hz: int, frequencies: Iterable[Fraction]) -> UserError:
    """The error for a frequency out of reach, with the nearest ones that can be made."""
    ordered = sorted(frequencies)
    below = [f"{float(f) / 1e6:.6g}" for f in ordered if f <= wanted_hz][-1:]
    above = [f"{float(f) / 1e6:.6g}" for f in ordered if f > wanted_hz][:1]
    return UserError(
        f"The {family} PLL cannot make {wanted_hz / 1e6:g} MHz from {input_hz / 1e6:g} MHz; "
        f"the nearest it can make is {' or '.join(below + above)} MHz."
    )
