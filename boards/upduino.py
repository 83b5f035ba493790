"""tinyVision UPduino v3."""

from __future__ import annotations

from amaranth.build import Attrs, PinsN, Resource
from amaranth_boards.resources import UARTResource
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from .board import Board
from .serial_rate import FT2232H_BAUDS
from .spi_pins import SpiPins

__all__ = ["UPDUINO_V3"]


class _Platform(UpduinoV3Platform):
    """With the serial line to the FT232H, which shares its pins with the configuration flash."""

    resources = [
        *(resource for resource in UpduinoV3Platform.resources if not resource.name.startswith("spi_flash")),
        UARTResource(0, rx="15", tx="14", attrs=Attrs(IO_STANDARD="SB_LVCMOS")),
        Resource("flash_select", 0, PinsN("16", dir="o"), Attrs(IO_STANDARD="SB_LVCMOS")),
    ]


UPDUINO_V3 = Board(
    name="upduino-v3",
    title="tinyVision UPduino v3",
    part="iCE40UP5K-SG48",
    platform=_Platform,
    clock_resource=("clk12", 0),
    input_hz=12_000_000,
    default_clock_hz=24_000_000,
    bauds=FT2232H_BAUDS,
    uart_resource=("uart", 0),
    # Green is alive, blue is busy, red is an error.
    leds=(("rgb_led", 0, "g"), ("rgb_led", 0, "b"), ("rgb_led", 0, "r")),
    link="USB port (FT232H); close the solder jumper OSC, which leads the 12 MHz oscillator to pin 20",
    program="iceprog",
    # The flash must not answer while its pins carry the serial line.
    keep_inactive=(("flash_select", 0),),
    spi=SpiPins(connector=None, cs="23", sck="27", copi="25", cipo="26", where="pins"),
)
"""UPduino v3."""
