"""Radiona ULX3S with each of its ECP5."""

from __future__ import annotations

from amaranth_boards import ulx3s

from ..hw.external.sdram_timing import MT48LC16M16
from .board import Board
from .flash_place import FlashPlace
from .serial_rate import BRIDGE_BAUDS
from .spi_pins import SpiPins

__all__ = ["ULX3S_12F", "ULX3S_25F", "ULX3S_45F", "ULX3S_85F"]


def _ulx3s(size: str) -> Board:
    return Board(
        name=f"ulx3s-{size.lower()}",
        title=f"Radiona ULX3S {size}",
        part=f"LFE5U-{size}-6BG381C",
        platform=getattr(ulx3s, f"ULX3S_{size}_Platform"),
        clock_resource=("clk25", 0),
        input_hz=25_000_000,
        default_clock_hz=75_000_000,
        # The FT231X goes up to 3 Mbaud.
        bauds=BRIDGE_BAUDS,
        uart_resource=("uart", 0),
        leds=(("led", 0), ("led", 1), ("led", 2)),
        link="USB port US1 (FT231X)",
        program="openFPGALoader -b ulx3s",
        sdram=MT48LC16M16,
        # A low level at the radio module's GPIO0 restarts the board.
        tie_high=(("esp32", 0, "gpio0"),),
        spi=SpiPins(connector=("gpio", 0), cs="0+", sck="3+", copi="1+", cipo="2+", where="J1, GP"),
        flash=FlashPlace(
            resource="spi_flash", address=0x20_0000, end=0x100_0000, write="openFPGALoader -b ulx3s -f -o 0x200000"
        ),
    )


ULX3S_12F = _ulx3s("12F")
"""ULX3S with an LFE5U-12F."""
ULX3S_25F = _ulx3s("25F")
"""ULX3S with an LFE5U-25F."""
ULX3S_45F = _ulx3s("45F")
"""ULX3S with an LFE5U-45F."""
ULX3S_85F = _ulx3s("85F")
"""ULX3S with an LFE5U-85F."""
