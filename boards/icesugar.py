"""MuseLab iCESugar."""

from __future__ import annotations

from amaranth_boards.icesugar import ICESugarPlatform

from .board import Board
from .flash_place import FlashPlace
from .serial_rate import SLOW_BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["ICESUGAR"]

ICESUGAR = Board(
    name="icesugar",
    title="MuseLab iCESugar",
    part="iCE40UP5K-SG48",
    platform=ICESugarPlatform,
    clock_resource=("clk12", 0),
    input_hz=12_000_000,
    default_clock_hz=24_000_000,
    bauds=SLOW_BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    # Green is alive, blue is busy, red is an error.
    leds=(("led_g", 0), ("led_b", 0), ("led_r", 0)),
    link="USB port (iCELink)",
    program="icesprog",
    pll_on_pad=True,
    spi=SpiPins(connector=("pmod", 1), cs="1", copi="2", cipo="3", sck="4", where="PMOD2"),
    flash=FlashPlace(
        resource="spi_flash_1x", address=0x10_0000, end=0x80_0000, write="icesprog -o 0x100000"
    ),
)
"""iCESugar."""
