"""What a bring-up works with: a build, its board, and the link to that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..boards.board import Board
from ..boards.link.client import Link, PortAbsent
from ..boards.programmer import Programmer
from ..sim.simulated_board import SimulatedBoard
from .board_link import simulated_line
from .bringup_report import BringUp
from .build_folder import Build
from .console import Stages

__all__ = ["Bench"]

_TIMEOUT = {True: 60.0, False: 1.0}
_PORT_SECONDS = 10.0
"""Time for a port to come back after programming."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a bring-up works with. ``port`` is None for the simulated board, ``programmer`` where nothing is programmed."""

    build: Build
    board: Board
    report: BringUp
    port: str | None
    programmer: Programmer | None
    progress: Stages

    @property
    def simulated(self) -> bool:
        return self.port is None

    @contextmanager
    def link(self, board: SimulatedBoard | None, baud: int) -> Iterator[Link]:
        """The link to the board; a port that programming has taken away is waited for."""
        line = simulated_line(self.build, board, baud) if board is not None else str(self.port)
        deadline = time.monotonic() + _PORT_SECONDS
        while True:
            link = Link(line, baud, timeout=_TIMEOUT[self.simulated])
            try:
                link.open()
                break
            except PortAbsent:
                if self.programmer is None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        try:
            yield link
        finally:
            link.close()
