"""Files that may be damaged or absurd: taken, or refused in words, in little time and memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..hw.errors import CheckFailed, UserError

__all__ = ["little_memory", "refusal"]


def refusal(take: Callable[[], object], seconds: float) -> str:
    """What ``take`` refuses with as a UserError, "" if it returns; any other exception passes through.

    Raises CheckFailed if it takes longer than ``seconds`` or refuses without words.
    """
    begin = time.perf_counter()
    try:
        take()
        message = ""
    except UserError as error:
        message = str(error)
        if not message.strip() or "Traceback" in message:
            raise CheckFailed(f"The refusal {message!r} says nothing.") from error
    taken = time.perf_counter() - begin
    if taken > seconds:
        raise CheckFailed(f"It took {taken:.1f} s instead of {seconds:g} s at most: {message[:200]!r}.")
    return message


@contextmanager
def little_memory(mebibytes: int) -> Iterator[None]:
    """Raises CheckFailed if the peak of this process's memory grows by more than that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > mebibytes * 1024:
        raise CheckFailed(f"The peak of the memory grew by {grown // 1024} MiB; {mebibytes} were allowed.")
