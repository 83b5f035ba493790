"""LambdaConcept ECPIX-5 with each of its ECP5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform

from .board import Board
from .flash_place import FlashPlace
from .serial_rate import FT2232H_BAUDS
from .spi_pins import SpiPins

__all__ = ["ECPIX5_45F", "ECPIX5_85F"]


def _ecpix5(size: str, part: str, platform: Callable[[], Any]) -> Board:
    return Board(
        name=f"ecpix5-{size.lower()}",
        title=f"LambdaConcept ECPIX-5 {size}",
        part=part,
        platform=platform,
        clock_resource=("clk100", 0),
        input_hz=100_000_000,
        default_clock_hz=96_000_000,
        bauds=FT2232H_BAUDS,
        uart_resource=("uart", 0),
        # Three of the four coloured lights, each in one colour: green is alive, blue is busy, red is an error.
        leds=(("rgb_led", 0, "g"), ("rgb_led", 1, "b"), ("rgb_led", 2, "r")),
        link="USB port, second channel of the FT2232H",
        program="openFPGALoader -c ft2232",
        spi=SpiPins(connector=("pmod", 0), cs="1", copi="2", cipo="3", sck="4", where="PMOD 0"),
        flash=FlashPlace(
            resource="spi_flash_1x", address=0x20_0000, end=0x100_0000, write="openFPGALoader -c ft2232 -f -o 0x200000"
        ),
    )


ECPIX5_45F = _ecpix5("45F", "LFE5UM5G-45F-8BG554C", ECPIX545Platform)
"""ECPIX-5 with an LFE5UM5G-45F."""
ECPIX5_85F = _ecpix5("85F", "LFE5UM5G-85F-8BG554C", ECPIX585Platform)
"""ECPIX-5 with an LFE5UM5G-85F."""
