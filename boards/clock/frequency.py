"""The setting of a PLL for a wanted frequency, and how a PLL says that it cannot make it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import TypeVar

from ...hw.errors import UserError

__all__ = ["input_dividers", "nearest_setting"]

Setting = TypeVar("Setting")


def input_dividers(input_hz: int, dividers: Iterable[int], detector_hz: tuple[int, int]) -> Iterator[int]:
    """Those of ``dividers`` that bring the input, in Hz, within the limits of the phase detector."""
    low, high = detector_hz
    return (divider for divider in dividers if low * divider <= input_hz <= high * divider)


def nearest_setting(
    family: str, input_hz: int, wanted_hz: int, *, inputs: tuple[int, int], highest_hz: int,
    settings: Callable[[], Mapping[Fraction, Setting]],
) -> Setting:  # fmt: skip
    """Of ``settings``, which are called for only with a legal input, that of ``wanted_hz`` or of the nearest frequency
    below it.

    Raises UserError, with the nearest frequencies, if no output is at or below ``wanted_hz`` or if it is above
    ``highest_hz``; and if the input is not within ``inputs``, in Hz.
    """
    low, high = inputs
    if not low <= input_hz <= high:
        raise UserError(
            f"The {family} PLL needs an input from {low / 1e6:g} to {high / 1e6:g} MHz, not {input_hz / 1e6:g} MHz."
        )
    found = settings()
    below = [frequency for frequency in found if frequency <= wanted_hz]
    if not below or wanted_hz > highest_hz:
        raise _unreachable(family, input_hz, wanted_hz, found)
    return found[max(below)]


def _unreachable(family: str, input_hz: int, wanted_hz: int, frequencies: Iterable[Fraction]) -> UserError:
    ordered = sorted(frequencies)
    below = [f"{float(f) / 1e6:.6g}" for f in ordered if f <= wanted_hz][-1:]
    above = [f"{float(f) / 1e6:.6g}" for f in ordered if f > wanted_hz][:1]
    return UserError(
        f"The {family} PLL cannot make {wanted_hz / 1e6:g} MHz from {input_hz / 1e6:g} MHz; "
        f"the nearest it can make is {' or '.join(below + above)} MHz."
    )
