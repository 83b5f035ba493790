"""The block RAM of the iCE40.

Inferred instead, Yosys 0.70 adds registers and comparators that emulate a defined result for an address that is read and
written at once: 144 registers and 89 LUTs for 256 words of 64 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Signal, Value

__all__ = ["SB_RAM40_MODES", "sb_ram40"]

SB_RAM40_MODES = {16: (1, 256), 8: (8, 512), 4: (4, 1024), 2: (2, 2048)}
"""Slot width and depth for each width of the tile."""

_PINS = {16: range(16), 8: range(0, 16, 2), 4: range(1, 16, 4), 2: range(3, 16, 8)}


def sb_ram40(
    mode: int, *, write_address: Value, write_data: Value, write_enable: Value, write_row: Value,
    read_address: Value, read_enable: Value, read_data: Signal, contents: Sequence[int] = (),
) -> Instance:  # fmt: skip
    """One SB_RAM40_4K: one write and one read port in domain ``sync``; one cycle from address to data.

    ``write_enable`` has a bit for each slot: each bit of the word in the 16 bit mode (by the cell's mask), else one.
    Contents start at ``contents``, the other words at 0.
    """
    pins = list(_PINS[mode])
    data: list[Any] = [Const(0, 1)] * 16
    mask: list[Any] = [Const(0, 1)] * 16
    for bit in range(len(write_data)):
        data[pins[bit]] = write_data[bit]
    if mode == 16:
        mask = [~write_enable[bit] if bit < len(write_enable) else Const(1, 1) for bit in range(16)]
    output = Signal(16)
    initial = _initial(mode, contents)
    ports: dict[str, Any] = {f"p_INIT_{number:X}": Const(value, 256) for number, value in enumerate(initial)}
    instance = Instance(
        "SB_RAM40_4K",
        p_READ_MODE={16: 0, 8: 1, 4: 2, 2: 3}[mode], p_WRITE_MODE={16: 0, 8: 1, 4: 2, 2: 3}[mode],
        i_RCLK=ClockSignal(), i_RCLKE=read_enable, i_RE=Const(1),
        i_RADDR=Cat(read_address, Const(0, 11 - len(read_address))),
        i_WCLK=ClockSignal(), i_WCLKE=write_row if mode == 16 else write_enable[0] & write_row, i_WE=Const(1),
        i_WADDR=Cat(write_address, Const(0, 11 - len(write_address))),
        i_MASK=Cat(mask), i_WDATA=Cat(data), o_RDATA=Cat(
            read_data[pins.index(pin)] if pin in pins else output[pin] for pin in range(16)
        ), **ports,
    )  # fmt: skip
    return instance


def _initial(mode: int, contents: Sequence[int]) -> list[int]:
    """The parameters INIT: 16 rows of 16 bits each. The lower 8 bits of an address choose the row, the others one of the
    bits that share a data pin."""
    rows = [0] * 256
    apart = 16 // mode
    for number, word in enumerate(contents):
        row, place = number % 256, number // 256
        for bit in range(mode):
            rows[row] |= (word >> bit & 1) << apart * bit + place
    return [sum(row << 16 * at for at, row in enumerate(rows[first : first + 16])) for first in range(0, 256, 16)]
