"""Bring-up reports of simulated boards, put into a page. `python -m macaw.scripts.bringup_examples docs/bring-up.md`."""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..hw.errors import UserError
from .bringup import bring_up
from .console import CONSOLE, run_command
from .marked_section import write_section

__all__ = ["main", "put_reports"]


def put_reports(page: Path, folder: Path) -> list[str]:
    """Write each section ``bringup-BOARD`` of a page anew, with a fresh report; the boards. Raises UserError if it has none."""
    boards = re.findall(r"<!-- bringup-(\S+) -->", page.read_text())
    if not boards:
        raise UserError(f"{page} has no place for a report: the marks <!-- bringup-BOARD --> and <!-- /bringup-BOARD -->.")
    for board in boards:
        report = bring_up(board, folder=folder / board, simulate=True).text()
        write_section(page, f"bringup-{board}", f"```\n{report}```")
    return boards


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="bringup_examples", description="Put reports of simulated boards into a page.")
    parser.add_argument("page", type=Path)
    arguments = parser.parse_args(argv)

    def command() -> None:
        with tempfile.TemporaryDirectory() as folder:
            boards = put_reports(arguments.page, Path(folder))
        CONSOLE.print(f"{arguments.page}: reports of {', '.join(boards)}")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
