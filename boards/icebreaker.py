"""1BitSquared iCEBreaker."""

from __future__ import annotations

from amaranth_boards.icebreaker import ICEBreakerPlatform

from ..hw.primitives.target import Family
from .board import Board, Capacity

__all__ = ["ICEBREAKER"]

ICEBREAKER = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    family=Family.ICE40UP,
    part="iCE40UP5K-SG48",
    platform=ICEBreakerPlatform,
    capacity=Capacity(
        luts=5280,
        registers=5280,
        block_rams=30,
        block_ram_bits=4096,
        multipliers=8,
        products_per_multiplier=2,
        single_port_rams=4,
    ),
    clock_resource=("clk12", 0),
    input_hz=12_000_000,
    default_clock_hz=20_250_000,
    # The FT2232H makes 12 MHz divided by any whole number from 2 on.
    bauds=(3_000_000, 2_400_000, 2_000_000, 1_500_000, 1_200_000, 1_000_000, 500_000, 250_000, 115_200),
    uart_resource=("uart", 0),
    # Two lights: green is alive, red is an error.
    leds=(("led_g", 0), None, ("led_r", 0)),
    nextpnr_arguments=("--up5k", "--package", "sg48"),
    multiplier_latency=2,
    requantizer_digit=4,
    weight_memory="spram",
)
"""iCEBreaker."""
