"""MuseLab iCESugar-Pro."""

from __future__ import annotations

from amaranth_boards.icesugar_pro import ICESugarProPlatform

from .board import Board
from .serial_rate import SLOW_BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["ICESUGAR_PRO"]

ICESUGAR_PRO = Board(
    name="icesugar-pro",
    title="MuseLab iCESugar-Pro",
    part="LFE5U-25F-6BG256C",
    platform=ICESugarProPlatform,
    clock_resource=("clk25", 0),
    input_hz=25_000_000,
    default_clock_hz=75_000_000,
    bauds=SLOW_BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    # Green is alive, blue is busy, red is an error.
    leds=(("rgb_led", 0, "g"), ("rgb_led", 0, "b"), ("rgb_led", 0, "r")),
    link="USB port (iCELink)",
    program="icesprog",
    spi=SpiPins(connector=("sodimm", 0), cs="42", sck="44", copi="46", cipo="48", where="SODIMM, contacts"),
)
"""iCESugar-Pro."""
