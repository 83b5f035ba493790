"""The boards by name, and the devices by part number."""

from __future__ import annotations

import difflib

from ..hw.errors import UserError
from .arty import ARTY_A7_100T, ARTY_Z7_20
from .board import Board
from .colorlight import COLORLIGHT_5A_75B
from .de10_nano import DE10_NANO
from .device import Device, find_device
from .ecpix5 import ECPIX5_45F, ECPIX5_85F
from .ice40_hx8k_breakout import ICE40_HX8K_BREAKOUT
from .icebreaker import ICEBREAKER
from .icepi_zero import ICEPI_ZERO
from .icesugar import ICESUGAR
from .icesugar_pro import ICESUGAR_PRO
from .orangecrab import ORANGECRAB_25F, ORANGECRAB_85F
from .tang_nano_9k import TANG_NANO_9K
from .tang_primer_20k import TANG_PRIMER_20K
from .tinyfpga_bx import TINYFPGA_BX
from .ulx3s import ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F
from .upduino import UPDUINO_V3

__all__ = ["BOARDS", "find_board", "find_destination"]

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F, ORANGECRAB_25F, ORANGECRAB_85F, ECPIX5_45F, ECPIX5_85F, ICEPI_ZERO,
        ICESUGAR_PRO, COLORLIGHT_5A_75B, ICEBREAKER, ICESUGAR, UPDUINO_V3, TINYFPGA_BX, ICE40_HX8K_BREAKOUT, TANG_NANO_9K,
        TANG_PRIMER_20K, ARTY_A7_100T, ARTY_Z7_20, DE10_NANO,
    )
}  # fmt: skip
"""Every board by its name."""


_SERIES = ("LFE5", "ICE40", "ICE5", "GW1", "GW2", "GW5", "LIFCL", "LFD2NX")
"""How the numbers of parts begin."""


def find_board(name: str) -> Board:
    """The board called ``name``; case does not matter. Raises UserError with the names there are, closest first."""
    board = BOARDS.get(name.lower())
    if board is not None:
        return board
    close = difflib.get_close_matches(name.lower(), BOARDS, n=1, cutoff=0.5)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    raise UserError(f"There is no board {name!r}.{guess} Boards: {', '.join(sorted(BOARDS))}.")


def find_destination(name: str) -> Board | Device:
    """The board or the device of a build: ``name`` as in its manifest. Raises UserError if there is neither."""
    part = name.lower() not in BOARDS and name.upper().startswith(_SERIES)
    return find_device(name) if part else find_board(name)
