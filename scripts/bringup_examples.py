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

__all__ = ["main", "put_reports"]


def put_reports(page: Path, folder: Path) -> list[str]:
    """Replace the text between each ``<!-- bringup BOARD -->`` and the end of the block behind it with a fresh report; the
    boards. Raises UserError if there is no such place."""
    text = page.read_text()
    boards = re.findall(r"<!-- bringup (\S+) -->\n```\n", text)
    if not boards:
        raise UserError(f"{page} has no place for a report: a line <!-- bringup BOARD --> and a block behind it.")
    for board in boards:
        report = bring_up(board, folder=folder / board, simulate=True).text()
        begin, end = text.split(f"<!-- bringup {board} -->\n```\n", 1)
        text = f"{begin}<!-- bringup {board} -->\n```\n{report}```{end.split('```', 1)[1]}"
    page.write_text(text)
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
