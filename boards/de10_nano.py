"""Terasic DE10-Nano, which Quartus builds."""

from __future__ import annotations

from amaranth_boards.de10_nano import DE10NanoPlatform

from .board import Board
from .serial_rate import BRIDGE_BAUDS

__all__ = ["DE10_NANO"]

DE10_NANO = Board(
    name="de10-nano",
    title="Terasic DE10-Nano",
    part="5CSEBA6U23I7",
    vendor="Quartus",
    platform=DE10NanoPlatform,
    clock_resource=("clk50", 0),
    input_hz=50_000_000,
    default_clock_hz=75_000_000,
    bauds=BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    link="the board's bridge belongs to the processor: 3.3 V serial adapter, its TXD at ARDUINO_IO0, its RXD at ARDUINO_IO1, ground at GND",
    program="openFPGALoader -b de10nano",
)
"""DE10-Nano."""
