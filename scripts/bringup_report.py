"""The report of a bring-up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..hw.errors import CheckFailed, UserError
from .console import CONSOLE

__all__ = ["REPORT", "BringUp", "Check"]

REPORT = "bringup.txt"
"""In the folder of the bring-up."""


@dataclass(frozen=True)
class Check:
    """One line of the report; ``passed`` is None for what was left out."""

    name: str
    passed: bool | None
    text: str

    def __str__(self) -> str:
        state = {True: "OK", False: "FAILED", None: "left out"}[self.passed]
        return f"{state:<9} {self.name:<12} {self.text}"


class BringUp:
    """The report as it grows: facts, then checks, each printed as soon as it is known. Nothing has passed before it is
    ``complete``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: list[tuple[str, str]] = []
        self.checks: list[Check] = []
        self.complete = False

    def fact(self, name: str, text: str) -> None:
        """What was built and what runs it."""
        self.facts.append((name, text))

    def check(self, name: str, passed: bool | None, text: str) -> None:
        """An outcome."""
        self.checks.append(Check(name, passed, text))
        CONSOLE.print(str(self.checks[-1]))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What ends with an error in here is a failed check, too."""
        try:
            yield
        except (UserError, CheckFailed) as error:
            self.check(name, False, str(error))
            raise
        except BaseException as error:
            self.check(name, False, "interrupted" if isinstance(error, KeyboardInterrupt | SystemExit) else f"{type(error).__name__}: {error}")
            raise

    @property
    def failed(self) -> list[str]:
        """Names of the failed checks."""
        return [check.name for check in self.checks if check.passed is False]

    def text(self) -> str:
        """The whole report."""
        passed = "all checks passed" if self.complete else "not finished"
        verdict = f"FAILED: {', '.join(self.failed)}" if self.failed else passed
        lines = ["Macaw bring-up report", *(f"{name:<12} {text}" for name, text in self.facts), ""]
        return "\n".join([*lines, *map(str, self.checks), "", f"Result: {verdict}", ""])

    def save(self) -> None:
        """Write the report, at once or not at all."""
        temporary = self.path.with_suffix(".partial")
        temporary.write_text(self.text())
        os.replace(temporary, self.path)
