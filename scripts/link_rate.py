"""The rate of a host link, measured on the simulated board. `python -m macaw.scripts.link_rate --help`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ..boards.attachment import Attachment
from ..boards.board import Board
from ..boards.catalog import find_board
from ..boards.harness import LINKS, Harness
from ..boards.link.client import Link
from ..boards.link.line import LINE_BITS, SimulatedSpiLine
from ..hw.config import EngineConfig
from ..hw.control.register_map import Region, region_address
from ..hw.emit import write_verilog
from ..hw.errors import CheckFailed, UserError
from ..sim.simulated_board import SimulatedBoard
from .console import CONSOLE, run_command

__all__ = ["LinkRate", "main", "measure"]

_CONFIG = EngineConfig(p=1, m=4, n=1, feature_depth=8192, weight_depth=32, program_depth=32, tap_depth=8)
"""Small, with the feature buffer that the words go to and come from."""

_TIMEOUT_SECONDS = 60.0
_SHARE = 0.9


@dataclass(frozen=True)
class LinkRate:
    """Payload bytes a second from host to core (``write``) and back (``read``), and what the line carries at most.

    All times are those of the simulated clock, from the first byte on the line to the end of the last.
    """

    line: float
    write: float
    read: float
    repetitions: int

    @property
    def least_share(self) -> float:
        """Of the line's rate, of the slower direction."""
        return min(self.write, self.read) / self.line


def measure(
    board: Board, attachment: Attachment, folder: Path, *, clock_hz: int | None = None, words: int = 8192, hold_seconds: float = 0.0
) -> LinkRate:
    """Writes and reads ``words`` random words (1 to 8192) of the feature buffer through the harness of ``board``.

    ``hold_seconds``: for which the USB bridge collects bytes to the host. Raises CheckFailed if a word comes back wrong.
    """
    if not 1 <= words <= _CONFIG.feature_depth:
        raise UserError(f"--words is from 1 to {_CONFIG.feature_depth}, not {words}.")
    if not 0 <= hold_seconds <= 1:
        raise UserError(f"--hold is a time up to 1000 ms, not {1000 * hold_seconds:g}.")
    attachment.check(board)
    real_hz = board.clock_hz(clock_hz)
    divisor, rate = attachment.rate(board, real_hz)
    harness = Harness(_CONFIG, divisor=divisor, clock_hz=real_hz, link=attachment.link)
    verilog = write_verilog(harness, folder / "board.v")
    region: Any = Region
    address = region_address(region.FEATURES, 0)
    values = np.random.default_rng(1).integers(0, 1 << 32, words, dtype=np.uint32)
    hold = round(hold_seconds * real_hz)
    with SimulatedBoard(verilog, divisor, folder / "simulation", hold_cycles=hold) as simulated:
        line = SimulatedSpiLine(simulated.port, rate) if attachment.link == "spi" else simulated.port
        with Link(line, rate, timeout=_TIMEOUT_SECONDS) as link:
            simulated.traffic()
            link.write(address, values)
            write = simulated.traffic().cycles
            found = link.read(address, words)
            read = simulated.traffic().cycles
            repetitions = link.repetitions
    if not np.array_equal(found, values):
        raise CheckFailed(f"{int((found != values).sum())} of {words} words came back wrong.")
    moved = 4 * words * real_hz
    return LinkRate(real_hz / divisor / LINE_BITS[attachment.link], moved / write, moved / read, repetitions)


def _show(board: Board, attachment: Attachment, folder: Path, clock_hz: int | None, words: int, hold_seconds: float) -> None:
    rate = measure(board, attachment, folder, clock_hz=clock_hz, words=words, hold_seconds=hold_seconds)
    table = Table(title=f"{board.title}, {attachment.link}, {4 * words:,} bytes each way", title_justify="left")
    for heading in ("", "bytes/s", "of the line"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, value in (("line", rate.line), ("host to core", rate.write), ("core to host", rate.read)):
        table.add_row(name, f"{value:,.0f}", f"{100 * value / rate.line:.1f} %")
    CONSOLE.print(table)
    if rate.repetitions:
        CONSOLE.print(f"frames sent again: {rate.repetitions}")
    if attachment.link == "uart" and rate.least_share < _SHARE:
        raise CheckFailed(f"The slower direction has {100 * rate.least_share:.1f} % of the line's rate, less than {100 * _SHARE:g} %.")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="link_rate", description="Rate of a host link on the simulated board.")
    parser.add_argument("--board", default="ulx3s-85f")
    parser.add_argument("--clock", type=float, help="MHz; the board's default without it")
    parser.add_argument("--link", choices=LINKS, default="uart")
    parser.add_argument("--baud", type=int, help="of the serial line; the board's default without it")
    parser.add_argument("--words", type=int, default=8192, help="32-bit words each way")
    parser.add_argument("--hold", type=float, default=0.0, help="ms for which the USB bridge collects bytes (FTDI: 1 to 16)")
    arguments = parser.parse_args(argv)

    def command() -> None:
        clock_hz = None if arguments.clock is None else round(arguments.clock * 1e6)
        attachment = Attachment(link=arguments.link, baud=arguments.baud)
        with tempfile.TemporaryDirectory(prefix="macaw-link-") as folder:
            _show(find_board(arguments.board), attachment, Path(folder), clock_hz, arguments.words, arguments.hold / 1000)

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
