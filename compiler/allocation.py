"""Addresses in the feature buffer: maps as the registers of a program, lifetimes decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Handover", "Lifetime", "allocate"]


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """A map of ``size`` addresses, written by step ``first`` and last read by step ``last`` (the input is written by step -1).

    A lifetime includes both of its ends: maps that are alive in one step do not overlap, handovers excepted.
    """

    size: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Handover:
    """``source`` dies in the step that makes ``target``; with ``base(target) - base(source)`` one of ``distances`` they may
    overlap."""

    source: str
    target: str
    distances: tuple[int, ...]


def allocate(lifetimes: Mapping[str, Lifetime], handovers: Iterable[Handover] = ()) -> dict[str, int]:
    """A base address, from 0 on, for each map so that maps alive in the same step overlap in handovers only.

    Greedy: one map after the other, where the addresses in use grow least. Tries the largest maps first and the order
    of execution, and takes what needs fewer addresses; deterministic.
    """
    distances: dict[tuple[str, str], tuple[int, ...]] = {}
    for handover in handovers:
        distances[handover.source, handover.target] = handover.distances
        distances[handover.target, handover.source] = tuple(-distance for distance in handover.distances)
    by_size = sorted(lifetimes, key=lambda name: (-lifetimes[name].size, lifetimes[name].first, name))
    by_step = sorted(lifetimes, key=lambda name: (lifetimes[name].first, -lifetimes[name].size, name))
    results = [_placed(lifetimes, distances, order) for order in (by_size, by_step)]
    best = min(results, key=lambda bases: max(bases[name] + lifetimes[name].size for name in bases))
    return best


def _placed(
    lifetimes: Mapping[str, Lifetime], distances: Mapping[tuple[str, str], tuple[int, ...]], order: Sequence[str]
) -> dict[str, int]:
    """Places the maps in this order; the lowest address in use becomes 0 at the end."""
    placed: dict[str, int] = {}
    low = high = 0
    for name in order:
        life = lifetimes[name]
        rivals = [
            other
            for other in placed
            if lifetimes[other].first <= life.last and life.first <= lifetimes[other].last
        ]
        candidates = {low, high - life.size}
        for other in rivals:
            base = placed[other]
            candidates |= {base + lifetimes[other].size, base - life.size}
            candidates |= {base + distance for distance in distances.get((other, name), ())}

        def free(base: int, name: str = name, rivals: list[str] = rivals) -> bool:
            size = lifetimes[name].size
            return all(
                base + size <= placed[other]
                or placed[other] + lifetimes[other].size <= base
                or base - placed[other] in distances.get((other, name), ())
                for other in rivals
            )

        begin, end = low, high
        base = min(
            (base for base in candidates if free(base)),
            key=lambda base: (max(end, base + life.size) - min(begin, base), abs(base), base),
        )
        placed[name] = base
        low, high = min(low, base), max(high, base + life.size)
    return {name: placed[name] - low for name in lifetimes}
