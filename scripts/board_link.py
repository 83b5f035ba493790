"""The board of a build, real or simulated, behind its host link, with the build's network in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..boards.accelerator import Accelerator
from ..boards.board import Board
from ..boards.harness import loading_cycles
from ..boards.link.client import Link
from ..boards.link.line import SimulatedSpiLine
from ..hw.errors import UserError
from ..sim.simulated_board import SimulatedBoard
from .build_folder import FLASH_IMAGE, Build
from .console import Stages
from .serial_ports import find_port

__all__ = ["find_build_port", "load_network", "open_board", "read_image", "simulated_board", "simulated_line"]

_TIMEOUT = {True: 60.0, False: 1.0}
"""Seconds without progress, simulated and on a board."""


def simulated_board(build: Build, *, flash: bytes | None = None, **options: Any) -> SimulatedBoard:
    """The simulated board of a build; its flash holds the build's image, or ``flash`` instead, where it has one.

    ``options`` are those of :class:`SimulatedBoard`. Raises UserError if the image is missing.
    """
    place = build.attachment.flash_place(build.board)
    contents, lead = b"", 0
    if place is not None:
        image = read_image(build)
        contents = b"\xff" * place.address + (image if flash is None else flash)
        lead = loading_cycles(len(image), build.manifest["clock_hz"])
    return SimulatedBoard(
        build.harness, build.manifest["divisor"], build.simulation_folder, flash=contents, lead_cycles=lead, **options
    )


def read_image(build: Build) -> bytes:
    """The build's image for the flash. Raises UserError if it is missing."""
    try:
        return (build.folder / FLASH_IMAGE).read_bytes()
    except OSError as error:
        raise UserError(f"The image {build.folder / FLASH_IMAGE} is missing: build again.") from error


def simulated_line(build: Build, board: SimulatedBoard, rate: int) -> SimulatedSpiLine | str:
    """What a :class:`Link` at ``rate`` to the build's simulated board is opened with."""
    return SimulatedSpiLine(board.port, rate) if build.attachment.link == "spi" else board.port


def find_build_port(build: Build) -> str:
    """The only port that the board of a build can be at. Raises UserError if there is none, or if it has to be named."""
    if build.attachment.link == "spi":
        raise UserError("Name the SPI port with --port, as /dev/spidev0.0: nothing tells which board is connected there.")
    return find_port(build.board.title)


@contextmanager
def open_board(build: Build, port: str | None, progress: Stages) -> Iterator[tuple[Link, bool]]:
    """The open link to the board at ``port``, or to the simulated board if it is None, and whether it is simulated."""
    rate = build.manifest["baud"]
    if port is not None and not isinstance(build.board, Board):
        raise UserError(
            f"The build in {build.folder} is for the part {build.board.name}, without a board: run it with --simulate, or build with --board."
        )
    if port is not None:
        with Link(port, rate, timeout=_TIMEOUT[False]) as link:
            yield link, False
        return
    progress("compile board", 0.0, "Verilator")
    with simulated_board(build) as board:
        progress("compile board", 1.0, "board.v")
        with Link(simulated_line(build, board, rate), rate, timeout=_TIMEOUT[True]) as link:
            yield link, True


def load_network(build: Build, engine: Accelerator, progress: Stages) -> None:
    """Put the build's network into the engine, or see to it that it has been loaded.

    Raises UserError if the engine is another, or if what it should have loaded from its flash is missing or damaged.
    """
    engine.check_identity()
    weights = build.attachment.weights
    if weights == "flash":
        engine.check_boot()
        progress("load network", 1.0, "from the board's flash")
    elif weights == "bitstream":
        progress("load network", 1.0, "in the bitstream")
    else:
        engine.load(
            build.images, lambda done, total: progress("load network", done / total, f"{4 * done:,} of {4 * total:,} bytes")
        )
