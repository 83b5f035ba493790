"""Driver, monitor and checker of blocks whose outputs follow their inputs after a fixed time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .unit import Monitor, Unit

__all__ = ["given_early", "measured_latency", "run_pipeline", "with_idle"]

_LONGEST = 24


def with_idle(unit: Unit, stimulus: Sequence[dict[str, Any]], idle: float) -> list[dict[str, Any]]:
    """The stimulus with each entry held for a random number of cycles; 1 with ``idle`` = 0."""
    held = []
    for entry in stimulus:
        held.append(entry)
        while unit.chance.random() < idle:
            held.append(entry)
    return held


def given_early(stimulus: Sequence[dict[str, Any]], names: Sequence[str], cycles: int) -> list[dict[str, Any]]:
    """The stimulus with the named inputs ``cycles`` before the others, which begin in entry number ``cycles``."""
    early = [{name: value for name, value in entry.items() if name in names} for entry in stimulus]
    others = [{name: value for name, value in entry.items() if name not in names} for entry in stimulus]
    gap: list[dict[str, Any]] = [{}] * cycles
    return [a | b for a, b in zip(early + gap, gap + others, strict=True)]


async def run_pipeline(
    unit: Unit, stimulus: Sequence[dict[str, Any]], read: Callable[[], Any], stated: int = 0
) -> list[Any]:
    """Drives one entry a cycle; returns what ``read`` gave in each cycle from the first entry on, and a while longer.

    ``stated``: the latency, if it may be long.
    """
    monitor = Monitor(unit, read)
    for entry in stimulus:
        unit.drive(**entry)
        await unit.tick()
    await unit.tick(_LONGEST + stated + 1)
    return monitor.stop()


def _fits(want: Any, got: Any) -> bool:
    if isinstance(want, list):
        return len(want) == len(got) and all(_fits(a, b) for a, b in zip(want, got, strict=True))
    return want is None or bool(want == got)


def measured_latency(expected: Sequence[Any], observed: Sequence[Any], stated: int = 0) -> int:
    """The only number of cycles, below 24 or close to the ``stated`` one, after which ``expected`` is ``observed``.

    None, or None in a list, stands for any value.
    """
    shifts = range(max(0, stated - _LONGEST // 2), max(_LONGEST, stated + 4))
    misses = {shift: [t for t, want in enumerate(expected) if not _fits(want, observed[t + shift])] for shift in shifts}
    fitting = [shift for shift in shifts if not misses[shift]]
    if len(fitting) != 1:
        best = min(shifts, key=lambda shift: len(misses[shift]))
        if not misses[best]:
            raise AssertionError(f"several latencies fit all results: {fitting}")
        first = misses[best][0]
        raise AssertionError(
            f"no latency fits all results; at {best} cycles {len(misses[best])} of {len(expected)} are wrong, the first "
            f"in cycle {first}: {observed[first + best]} for {expected[first]}"
        )
    return fitting[0]
