"""The boards by name."""

from __future__ import annotations

import difflib

from ..hw.errors import UserError
from .board import Board
from .icebreaker import ICEBREAKER
from .ulx3s import ULX3S_85F

__all__ = ["BOARDS", "find_board"]

BOARDS: dict[str, Board] = {board.name: board for board in (ULX3S_85F, ICEBREAKER)}
"""Every board by its name."""


def find_board(name: str) -> Board:
    """The board called ``name``; case does not matter. Raises UserError with the names there are, closest first."""
    board = BOARDS.get(name.lower())
    if board is not None:
        return board
    close = difflib.get_close_matches(name.lower(), BOARDS, n=1, cutoff=0.5)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    raise UserError(f"There is no board {name!r}.{guess} Boards: {', '.join(sorted(BOARDS))}.")
