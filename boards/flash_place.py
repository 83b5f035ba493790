"""Where a board's flash has room for an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal

from ..hw.errors import UserError
from ..hw.primitives.target import Family

__all__ = ["FlashPlace"]

_INPUTS = ("cipo",)
_SELECT = ("cs", "wp", "hold")


@dataclass(frozen=True, kw_only=True)
class FlashPlace:
    """The room behind the bitstream in the configuration flash.

    Attributes
    ----------
    resource : str
        Resource of the platform with the flash's pins, number 0.
    address : int
        First byte of an image: behind the largest bitstream.
    end : int
        First byte behind the room.
    write : str
        Command that writes an image, whose path follows, to the address.
    """

    resource: str
    address: int
    end: int
    write: str

    def pins(self, platform: Any, family: Family) -> Resource:
        """``boot_flash`` 0: the platform's pins ``cs``, ``copi``, ``cipo``, where they are there ``wp`` and ``hold``, and
        ``clk`` but on an ECP5, whose clock pin only USRMCLK reaches."""
        wanted = {"cs", "copi", "cipo", "wp", "hold"} | (set() if family is Family.ECP5 else {"clk"})
        found = platform.lookup(self.resource)
        ios: list[Any] = []
        for subsignal in found.ios:
            if isinstance(subsignal, Subsignal) and subsignal.name in wanted:
                kind = PinsN if subsignal.name in _SELECT else Pins
                names = " ".join(subsignal.ios[0].names)
                ios.append(Subsignal(subsignal.name, kind(names, dir="i" if subsignal.name in _INPUTS else "o")))
        return Resource("boot_flash", 0, *ios, Attrs(**found.attrs))

    def check(self, image_bytes: int, title: str) -> None:
        """Raises UserError if an image does not fit."""
        if self.address + image_bytes > self.end:
            raise UserError(
                f"The flash of the {title} has {self.end - self.address:,} bytes behind the bitstream, the image has "
                f"{image_bytes:,}: load the network from the host (--weights host)."
            )
