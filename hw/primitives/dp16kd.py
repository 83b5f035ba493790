"""The block RAM of the ECP5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Signal, Value

__all__ = ["DP16KD_MODES", "dp16kd", "initial_parameters"]

DP16KD_MODES = {36: (9, 512), 18: (9, 1024), 9: (9, 2048), 4: (4, 4096), 2: (2, 8192), 1: (1, 16384)}
"""Slot width and depth for each width of the tile."""

_INIT_BITS = 320


def dp16kd(
    mode: int, *, write_address: Value, write_data: Value, write_enable: Value, write_row: Value,
    read_address: Value, read_enable: Value, read_data: Signal, contents: Sequence[int] = (),
) -> Instance:  # fmt: skip
    """One DP16KD: port A writes, port B reads through its output register (two cycles), both in domain ``sync``.

    ``write_enable`` has a bit for each slot. In the 18 and 36 bit modes the enables take the place of the low address
    bits. The 36 bit mode uses the data pins of both ports: the low half is read at DOA, and both ports' register
    settings count. Contents start at ``contents``, the other words at 0; reset leaves contents and registers alone.
    """
    shift = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[mode]
    ports: dict[str, Any] = {
        "p_DATA_WIDTH_A": mode, "p_DATA_WIDTH_B": mode,
        "p_REGMODE_A": "OUTREG" if mode == 36 else "NOREG", "p_REGMODE_B": "OUTREG",
        "p_RESETMODE": "SYNC", "p_ASYNC_RESET_RELEASE": "SYNC",
        "p_CSDECODE_A": "0b000", "p_CSDECODE_B": "0b000",
        "p_WRITEMODE_A": "NORMAL", "p_WRITEMODE_B": "NORMAL",
        "p_CLKAMUX": "CLKA", "p_CLKBMUX": "CLKB", "p_GSR": "AUTO",
        "i_CLKA": ClockSignal(), "i_CEA": Const(1), "i_OCEA": Const(1), "i_RSTA": Const(0),
        "i_CLKB": ClockSignal(), "i_CEB": read_enable, "i_OCEB": Const(1), "i_RSTB": Const(0), "i_WEB": Const(0),
        "i_WEA": write_row if mode >= 18 else write_enable[0] & write_row,
    }  # fmt: skip
    for port in "AB":
        for bit in range(3):
            ports[f"i_CS{port}{bit}"] = Const(0)
    for bit in range(14):
        enable = write_enable[bit] if mode >= 18 and bit < len(write_enable) else Const(0)
        ports[f"i_ADA{bit}"] = write_address[bit - shift] if 0 <= bit - shift < len(write_address) else enable
        ports[f"i_ADB{bit}"] = read_address[bit - shift] if 0 <= bit - shift < len(read_address) else Const(0)
    for bit in range(18):
        ports[f"i_DIA{bit}"] = write_data[bit] if bit < len(write_data) else Const(0)
        ports[f"i_DIB{bit}"] = write_data[18 + bit] if mode == 36 and 18 + bit < len(write_data) else Const(0)
    for bit in range(mode):
        port = "A" if mode == 36 and bit < 18 else "B"
        ports[f"o_DO{port}{bit % 18}"] = read_data[bit]
    if contents:
        ports |= {f"p_INITVAL_{number:02X}": Const(value, _INIT_BITS) for number, value in enumerate(initial_parameters(mode, contents))}
    return Instance("DP16KD", **ports)


def initial_parameters(mode: int, contents: Sequence[int]) -> list[int]:
    """The parameters INITVAL: each holds 16 times 18 bits, 20 bits apart. A word of fewer than 9 bits lies in the lower 8
    of 9."""
    words = 1 if mode >= 9 else 8 // mode
    cells = 0
    for number, word in enumerate(contents):
        cells |= word << (mode * number if mode >= 9 else number // words * 9 + number % words * mode)
    halves = [cells >> 18 * number & 0x3FFFF for number in range(1024)]
    return [sum(half << 20 * place for place, half in enumerate(halves[at : at + 16])) for at in range(0, 1024, 16)]
