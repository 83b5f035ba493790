"""What a person sees: progress bars, tables, and errors as one sentence with an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from ..hw.errors import CheckFailed, UserError

__all__ = ["CONSOLE", "Stages", "run_command", "stages"]


class _Lines(Console):
    """Text is printed as it is: paths and names of nodes may have brackets, which are markup elsewhere."""

    def print(self, *objects: Any, **options: Any) -> None:
        if all(isinstance(item, str) for item in objects):
            options.setdefault("markup", False)
        super().print(*objects, **options)


def _console(*, stderr: bool) -> Console:
    """Lines are never broken, so that a command can be copied; a table in a pipe gets 120 columns."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if terminal or "COLUMNS" in os.environ else 120
    return _Lines(stderr=stderr, highlight=False, emoji=False, soft_wrap=True, width=width)


CONSOLE = _console(stderr=False)
"""Where results are printed."""

_ERRORS = _console(stderr=True)


def run_command(command: Callable[[], None]) -> int:
    """Runs ``command``; 0 if it returns, 2 for the user's mistake or a file that cannot be read or
    written, 1 for a failed check or an interrupt, without traceback."""
    try:
        command()
    except UserError as error:
        _complain("Error", str(error))
        return 2
    except CheckFailed as error:
        _complain("Failed", str(error))
        return 1
    except KeyboardInterrupt:
        _complain("Interrupted", "nothing that this step had begun was left looking complete.")
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _complain("Error", f"Cannot read or write{where}: {error.strerror or error}.")
        return 2
    return 0


def _complain(kind: str, text: str) -> None:
    _ERRORS.print(Text.assemble((f"{kind}:", "bold red"), f" {text}"))


class Stages(Protocol):
    """Reports the progress of named stages; the last argument describes what goes on."""

    def __call__(self, stage: str, fraction: float, text: str) -> None:
        """``fraction`` of ``stage`` is done."""


@contextmanager
def stages() -> Iterator[Stages]:
    """Progress bars, one for each stage that reports, on a terminal; single lines elsewhere."""
    progress = Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[text]}"),
        console=_ERRORS,
    )
    tasks: dict[str, int] = {}

    def report(stage: str, fraction: float, text: str) -> None:
        if stage not in tasks:
            tasks[stage] = progress.add_task(stage, total=1.0, text="")
            if not _ERRORS.is_terminal:
                _ERRORS.print(f"{stage} ...")
        progress.update(tasks[stage], completed=min(max(fraction, 0.0), 1.0), text=escape(text[:60]))  # type: ignore[arg-type]

    if not _ERRORS.is_terminal:
        yield report
        return
    with progress:
        yield report


