"""One long step beside another: the second core's work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from .console import Stages

__all__ = ["Background"]

Result = TypeVar("Result")


class _Cancelled(BaseException):
    """Ends the work from inside its progress reports."""


class Background(Generic[Result]):
    """Context manager that runs ``work(progress)`` in a thread.

    Left by an exception (an interrupt, say) it makes the work's next progress report raise, so that the work takes down
    what it has started, and waits for that.
    """

    def __init__(self, work: Callable[[Stages], Result], progress: Stages) -> None:
        self._work = work
        self._progress = progress
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._result: list[Result] = []
        self._error: BaseException | None = None

    def _report(self, stage: str, fraction: float, text: str) -> None:
        if self._cancel.is_set():
            raise _Cancelled
        self._progress(stage, fraction, text)

    def _run(self) -> None:
        try:
            self._result.append(self._work(self._report))
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Background[Result]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._cancel.set()
            self._thread.join(60)

    def result(self) -> Result:
        """Waits for the work; its result, or the exception that ended it."""
        while self._thread.is_alive():
            self._thread.join(0.2)
        if self._error is not None:
            raise self._error
        return self._result[0]
