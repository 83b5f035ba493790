"""FPGAs that only their vendors' tools place and route.

Their engines are sized with the figures of an ECP5, which is on the safe side: their look-up tables take six inputs, a RAMB18 has
the modes of an ECP5's block, and two M10K hold at least what one does.
"""

from __future__ import annotations

from ..hw.primitives.target import Family
from .device import Capacity, Device

__all__ = ["VENDOR_PARTS"]


def _device(part: str, family: Family, capacity: Capacity) -> Device:
    return Device(
        part=part, family=family, capacity=capacity, nextpnr_arguments=(), multiplier_latency=3, requantizer_digit=0,
        weight_memory="block", default_clock_hz=75_000_000,
    )  # fmt: skip


VENDOR_PARTS: dict[str, Device] = {
    device.part: device
    for device in (
        # DS180, DS190: look-up tables, registers, halves of RAMB36, DSP48E1.
        _device("XC7A100TICSG324-1L", Family.XILINX, Capacity(luts=63400, registers=126800, block_rams=270, block_ram_bits=18432, multipliers=240)),
        _device("XC7Z020CLG400-1", Family.XILINX, Capacity(luts=53200, registers=106400, block_rams=280, block_ram_bits=18432, multipliers=220)),
        # Cyclone V device overview: two look-up tables an ALM, pairs of M10K, 18 x 18 multipliers.
        _device("5CSEBA6U23I7", Family.INTEL, Capacity(luts=83820, registers=166036, block_rams=276, block_ram_bits=20480, multipliers=224)),
    )
}  # fmt: skip
"""Every part by its number."""
