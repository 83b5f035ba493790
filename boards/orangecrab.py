"""OrangeCrab r0.2 with each of its ECP5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.build import Attrs
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform, OrangeCrabR0_2_85FPlatform
from amaranth_boards.resources import UARTResource

from .board import Board
from .serial_rate import BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["ORANGECRAB_25F", "ORANGECRAB_85F"]

_UART = UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"))


class _Platform25F(OrangeCrabR0_2_25FPlatform):
    resources = [*OrangeCrabR0_2_25FPlatform.resources, _UART]


class _Platform85F(OrangeCrabR0_2_85FPlatform):
    resources = [*OrangeCrabR0_2_85FPlatform.resources, _UART]


def _orangecrab(size: str, platform: Callable[[], Any]) -> Board:
    return Board(
        name=f"orangecrab-{size.lower()}",
        title=f"OrangeCrab r0.2 {size}",
        part=f"LFE5U-{size}-8MG285C",
        platform=platform,
        clock_resource=("clk", 0),
        input_hz=48_000_000,
        default_clock_hz=96_000_000,
        bauds=BRIDGE_BAUDS,
        uart_resource=("uart", 0),
        # Green is alive, blue is busy, red is an error.
        leds=(("rgb_led", 0, "g"), ("rgb_led", 0, "b"), ("rgb_led", 0, "r")),
        link="no bridge on the board: 3.3 V serial adapter, its TXD at pin 0, its RXD at pin 1, ground at GND",
        program="dfu-util -a 0 -D",
        bootloader="hold its button while you plug it in",
        spi=SpiPins(connector=("io", 0), cs="9", sck="sck", copi="copi", cipo="cipo", where="pins"),
    )


ORANGECRAB_25F = _orangecrab("25F", _Platform25F)
"""OrangeCrab with an LFE5U-25F."""
ORANGECRAB_85F = _orangecrab("85F", _Platform85F)
"""OrangeCrab with an LFE5U-85F."""
