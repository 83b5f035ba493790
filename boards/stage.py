"""One run of a tool: log, progress, interruption."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ..hw.errors import CheckFailed
from .executable import Tool

__all__ = ["Progress", "run_stage", "silent"]

_POLL_SECONDS = 0.2
_LAST_LINES = 12


class Progress(Protocol):
    """Called with the stage's name, the part of it that is done (0 to 1), and what is going on."""

    def __call__(self, stage: str, fraction: float, text: str) -> None: ...


def silent(stage: str, fraction: float, text: str) -> None:
    """A :class:`Progress` that shows nothing."""


def run_stage(
    tool: Tool, arguments: Sequence[str], folder: Path, log: str, observe: Callable[[str], None] | None = None
) -> float:
    """Run a tool in ``folder``; all file names in ``arguments`` are relative to it. Returns the seconds it took.

    The tool writes ``log`` itself, or what it prints goes there; ``observe`` sees each line of it soon after it was
    written. Interrupted (Ctrl-C, SIGTERM), it takes the tool down before the exception leaves. Raises CheckFailed with
    the last lines of the log and its path if the tool fails.
    """
    begin = time.monotonic()
    log_path = folder / log
    printed = folder / f"{log}.out"
    log_path.unlink(missing_ok=True)
    with printed.open("wb") as output, _termination_as_exception():
        process = subprocess.Popen(
            [str(tool.path), *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        position = 0
        try:
            while True:
                ended = process.poll() is not None
                if observe is not None:
                    position = _observe(log_path if log_path.exists() else printed, position, observe)
                if ended:
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                _stop(process)
    if not log_path.exists():
        printed.rename(log_path)
    if process.returncode != 0:
        raise CheckFailed(
            f"{tool.name} failed with exit code {process.returncode}. Last lines of {log_path}:\n"
            f"{_last_lines(log_path, printed)}"
        )
    printed.unlink(missing_ok=True)
    return time.monotonic() - begin


@contextlib.contextmanager
def _termination_as_exception() -> Iterator[None]:
    """Inside, a SIGTERM that nobody handles raises SystemExit, so that the tool is taken down too."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _observe(path: Path, position: int, observe: Callable[[str], None]) -> int:
    """Hand over the lines completed since ``position``."""
    with path.open("rb") as file:
        file.seek(position)
        data = file.read()
    end = data.rfind(b"\n") + 1
    for line in data[:end].decode(errors="replace").splitlines():
        observe(line)
    return position + end


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the tool and what it started."""
    for what in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, what)
        try:
            process.wait(2)
            return
        except subprocess.TimeoutExpired:
            continue


def _last_lines(log: Path, printed: Path) -> str:
    """The errors in the log, or else its last lines and those of what the tool printed."""
    lines: list[str] = []
    for path in (log, printed):
        if path.exists():
            lines += [line.rstrip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "Assertion"))]
    return "\n".join(dict.fromkeys(errors[-_LAST_LINES:] or lines[-_LAST_LINES:]))
