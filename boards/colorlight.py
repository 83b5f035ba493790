"""Colorlight 5A-75B, revision 7.0: a receiver card for light panels with an ECP5."""

from __future__ import annotations

from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform

from .board import Board
from .serial_rate import BRIDGE_BAUDS

__all__ = ["COLORLIGHT_5A_75B"]

COLORLIGHT_5A_75B = Board(
    name="colorlight-5a-75b",
    title="Colorlight 5A-75B r7.0",
    part="LFE5U-25F-6BG256C",
    platform=Colorlight_5A75B_R70Platform,
    clock_resource=("clk25", 0),
    input_hz=25_000_000,
    default_clock_hz=75_000_000,
    bauds=BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    # The only light hangs on the serial line's pin: it flickers when the board answers.
    leds=(None, None, None),
    link="no bridge on the board: 3.3 V serial adapter, its TXD at KEY+ of J19, its RXD at DATA_LED- of J19, ground at GND",
    program="openFPGALoader -c ft232",
)
"""Colorlight 5A-75B."""
