"""Sipeed Tang Primer 20K on its dock."""

from __future__ import annotations

from amaranth_boards.tang_primer_20k import TangPrimer20kDockPlatform

from .board import Board
from .serial_rate import BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["TANG_PRIMER_20K"]

TANG_PRIMER_20K = Board(
    name="tang-primer-20k",
    title="Sipeed Tang Primer 20K with dock",
    part="GW2A-LV18PG256C8/I7",
    platform=TangPrimer20kDockPlatform,
    clock_resource=("clk27", 0),
    input_hz=27_000_000,
    default_clock_hz=54_000_000,
    bauds=BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    link="USB port of the dock, second channel of the BL702",
    program="openFPGALoader -b tangprimer20k",
    spi=SpiPins(connector=("pmod", 0), cs="1", copi="2", cipo="3", sck="4", where="PMOD 0 of the dock"),
)
"""Tang Primer 20K."""
