"""Icepi Zero 1.3."""

from __future__ import annotations

from amaranth_boards.icepi_zero import IcepiZero1_3Platform

from .board import Board
from .serial_rate import BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["ICEPI_ZERO"]

ICEPI_ZERO = Board(
    name="icepi-zero",
    title="Icepi Zero 1.3",
    part="LFE5U-25F-6BG256C",
    platform=IcepiZero1_3Platform,
    clock_resource=("clk50", 0),
    input_hz=50_000_000,
    default_clock_hz=75_000_000,
    # The FT231X goes up to 3 Mbaud.
    bauds=BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    link="USB port of the FT231X",
    program="openFPGALoader -b icepi-zero",
    spi=SpiPins(connector=("gpio", 0), cs="8", sck="11", copi="10", cipo="9", where="header, GPIO"),
)
"""Icepi Zero."""
