"""Lattice iCE40-HX8K breakout board."""

from __future__ import annotations

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from .board import Board
from .flash_place import FlashPlace
from .serial_rate import FT2232H_BAUDS
from .spi_pins import SpiPins

__all__ = ["ICE40_HX8K_BREAKOUT"]

ICE40_HX8K_BREAKOUT = Board(
    name="ice40-hx8k-breakout",
    title="Lattice iCE40-HX8K breakout board",
    part="iCE40HX8K-CT256",
    platform=ICE40HX8KBEVNPlatform,
    clock_resource=("clk12", 0),
    input_hz=12_000_000,
    default_clock_hz=60_000_000,
    bauds=FT2232H_BAUDS,
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    link="USB port, second channel of the FT2232H",
    program="iceprog -S",
    spi=SpiPins(connector=("j", 1), cs="1", sck="3", copi="4", cipo="5", where="J1"),
    flash=FlashPlace(
        resource="spi_flash_1x", address=0x10_0000, end=0x40_0000, write="iceprog -o 1M"
    ),
)
"""iCE40-HX8K breakout board."""
