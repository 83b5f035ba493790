"""What a bring-up works with: a build, its board, and the link to that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..boards.board import Board
from ..boards.link.client import Link, PortAbsent, PortBusy, PortDenied
from ..boards.programmer import Programmer
from ..hw.errors import CheckFailed
from ..sim.simulated_board import SimulatedBoard
from .board_link import simulated_line
from .bringup_report import BringUp
from .build_folder import Build
from .console import CONSOLE, Stages

__all__ = ["Bench"]

_TIMEOUT = {True: 60.0, False: 1.0}
_PORT_SECONDS = 10.0
"""Time for a port to come back after programming."""
_BOOTLOADER_SECONDS = 60.0
"""Time for somebody to bring a board into its boot loader."""


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

    def program(self, bitstream: Path) -> None:
        """Put ``bitstream`` into the board, again and again for a minute where its boot loader must be called by hand."""
        assert self.programmer is not None
        self.progress("program board", 0.0, bitstream.name)
        deadline = time.monotonic()
        if self.board.bootloader:
            CONSOLE.print(f"{bitstream.name} goes into the {self.board.title} by its boot loader: {self.board.bootloader}.")
            deadline += _BOOTLOADER_SECONDS
        while True:
            try:
                self.programmer.program(bitstream)
                break
            except CheckFailed:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(1.0)
        self.progress("program board", 1.0, bitstream.name)

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
            except (PortAbsent, PortBusy, PortDenied):  # a port that has just come may be another program's for a moment
                if self.programmer is None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        try:
            yield link
        finally:
            link.close()
