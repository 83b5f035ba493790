"""Radiona ULX3S with the largest ECP5."""

from __future__ import annotations

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from ..hw.primitives.target import Family
from .board import Board, Capacity

__all__ = ["ULX3S_85F"]

ULX3S_85F = Board(
    name="ulx3s-85f",
    title="Radiona ULX3S 85F",
    family=Family.ECP5,
    part="LFE5U-85F-6BG381C",
    platform=ULX3S_85F_Platform,
    capacity=Capacity(
        luts=83640, registers=83640, block_rams=208, block_ram_bits=18432, multipliers=156, products_per_multiplier=1
    ),
    clock_resource=("clk25", 0),
    input_hz=25_000_000,
    default_clock_hz=75_000_000,
    # The FT231X goes up to 3 Mbaud.
    bauds=(3_000_000, 2_000_000, 1_500_000, 1_000_000, 500_000, 250_000, 115_200),
    uart_resource=("uart", 0),
    leds=(("led", 0), ("led", 1), ("led", 2)),
    # A low level at the radio module's GPIO0 restarts the board.
    tie_high=(("esp32", 0, "gpio0"),),
    nextpnr_arguments=("--85k", "--package", "CABGA381", "--speed", "6"),
    multiplier_latency=3,
    requantizer_digit=0,
    weight_memory="block",
)
"""ULX3S with an LFE5U-85F."""
