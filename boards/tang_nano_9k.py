"""Sipeed Tang Nano 9K."""

from __future__ import annotations

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from .board import Board
from .serial_rate import BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["TANG_NANO_9K"]

TANG_NANO_9K = Board(
    name="tang-nano-9k",
    title="Sipeed Tang Nano 9K",
    part="GW1NR-LV9QN88PC6/I5",
    platform=TangNano9kPlatform,
    clock_resource=("clk27", 0),
    input_hz=27_000_000,
    default_clock_hz=36_000_000,
    bauds=BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    link="USB port, second channel of the BL702",
    program="openFPGALoader -b tangnano9k",
    spi=SpiPins(connector=None, cs="25", sck="26", copi="27", cipo="28", where="pins"),
)
"""Tang Nano 9K."""
