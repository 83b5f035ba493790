"""Pins of a board's SPI link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal

from ..hw.primitives.target import Family

__all__ = ["SpiPins"]


@dataclass(frozen=True, kw_only=True)
class SpiPins:
    """Where an SPI master is connected, 3.3 V levels, mode 0.

    Attributes
    ----------
    connector : tuple of str and int, or None
        Connector of the platform that the pins' names are of; None: they are the device's.
    cs, sck, copi, cipo : str
        Pins; ``cs`` is active low.
    where : str
        The connector's name on the board.
    """

    connector: tuple[str, int] | None
    cs: str
    sck: str
    copi: str
    cipo: str
    where: str

    def resource(self, family: Family) -> Resource:
        """``host_spi`` 0 with the subsignals ``cs``, ``sck``, ``copi`` and ``cipo``."""
        attribute: dict[str, Any] = {"IO_TYPE": "LVCMOS33"}
        if family in (Family.ICE40, Family.ICE40UP):
            attribute = {"IO_STANDARD": "SB_LVCMOS"}
        return Resource(
            "host_spi", 0,
            Subsignal("cs", PinsN(self.cs, dir="i", conn=self.connector)),
            Subsignal("sck", Pins(self.sck, dir="i", conn=self.connector)),
            Subsignal("copi", Pins(self.copi, dir="i", conn=self.connector)),
            Subsignal("cipo", Pins(self.cipo, dir="oe", conn=self.connector)),
            Attrs(**attribute),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.where}: CS {self.cs}, SCK {self.sck}, COPI {self.copi}, CIPO {self.cipo}"
