"""1BitSquared iCEBreaker."""

from __future__ import annotations

from amaranth_boards.icebreaker import ICEBreakerPlatform

from .board import Board
from .flash_place import FlashPlace
from .serial_rate import FT2232H_BAUDS
from .spi_pins import SpiPins

__all__ = ["ICEBREAKER"]

ICEBREAKER = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    part="iCE40UP5K-SG48",
    platform=ICEBreakerPlatform,
    clock_resource=("clk12", 0),
    input_hz=12_000_000,
    default_clock_hz=24_000_000,
    bauds=FT2232H_BAUDS,
    uart_resource=("uart", 0),
    # Two lights: green is alive, red is an error.
    leds=(("led_g", 0), None, ("led_r", 0)),
    link="USB port, second channel of the FT2232H",
    program="iceprog",
    pll_on_pad=True,
    spi=SpiPins(connector=("pmod", 0), cs="1", copi="2", cipo="3", sck="4", where="PMOD 1A"),
    flash=FlashPlace(
        resource="spi_flash_1x", address=0x10_0000, end=0x100_0000, write="iceprog -o 1M"
    ),
)
"""iCEBreaker."""
