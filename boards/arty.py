"""Digilent Arty A7-100T and Arty Z7-20, which Vivado builds."""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.arty_a7 import ArtyA7_100Platform
from amaranth_boards.arty_z7 import ArtyZ720Platform
from amaranth_boards.resources import UARTResource

from .board import Board
from .serial_rate import BRIDGE_BAUDS, FT2232H_BAUDS

__all__ = ["ARTY_A7_100T", "ARTY_Z7_20"]


class _Z7Platform(ArtyZ720Platform):
    """With a serial line on the Pmod connector JA: the board's own goes to the processor."""

    resources = [
        *ArtyZ720Platform.resources,
        UARTResource(0, tx="2", rx="3", conn=("pmod", 0), attrs=Attrs(IOSTANDARD="LVCMOS33")),
    ]


ARTY_A7_100T = Board(
    name="arty-a7-100t",
    title="Digilent Arty A7-100T",
    part="XC7A100TICSG324-1L",
    vendor="Vivado",
    platform=ArtyA7_100Platform,
    clock_resource=("clk100", 0),
    input_hz=100_000_000,
    default_clock_hz=75_000_000,
    bauds=FT2232H_BAUDS,
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    link="USB port, second channel of the FT2232H",
    program="openFPGALoader -b arty_a7_100t",
)
"""Arty A7-100T."""

ARTY_Z7_20 = Board(
    name="arty-z7-20",
    title="Digilent Arty Z7-20",
    part="XC7Z020CLG400-1",
    vendor="Vivado",
    platform=_Z7Platform,
    clock_resource=("clk125", 0),
    input_hz=125_000_000,
    default_clock_hz=75_000_000,
    bauds=BRIDGE_BAUDS,
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    link="the board's bridge belongs to the processor: Pmod USBUART at the upper row of JA",
    program="openFPGALoader -b arty_z7_20",
)
"""Arty Z7-20."""
