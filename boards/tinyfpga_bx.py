"""TinyFPGA BX."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.resources import UARTResource
from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform

from .board import Board
from .flash_place import FlashPlace
from .serial_rate import BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["TINYFPGA_BX"]


class _Platform(TinyFPGABXPlatform):
    resources = [
        *TinyFPGABXPlatform.resources,
        UARTResource(0, rx="1", tx="2", conn=("gpio", 0), attrs=Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1)),
    ]


TINYFPGA_BX = Board(
    name="tinyfpga-bx",
    title="TinyFPGA BX",
    part="iCE40LP8K-CM81",
    platform=_Platform,
    clock_resource=("clk16", 0),
    input_hz=16_000_000,
    default_clock_hz=42_000_000,
    bauds=BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    # One light.
    leds=(("led", 0), None, None),
    link="no bridge on the board: 3.3 V serial adapter, its TXD at pin 1, its RXD at pin 2, ground at G",
    program="tinyprog -p",
    bootloader="press its reset button",
    spi=SpiPins(connector=("gpio", 0), cs="10", sck="13", copi="11", cipo="12", where="pins"),
    # Behind the user's bitstream, where the boot loader puts the user's data.
    flash=FlashPlace(
        resource="spi_flash_1x", address=0x5_0000, end=0xF_C000, write="tinyprog -u"
    ),
)
"""TinyFPGA BX."""
