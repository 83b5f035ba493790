"""Addresses in the feature buffer: maps as the registers of a program, lifetimes decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Handover", "Lifetime", "allocate"]

_BEAM = 12


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


@dataclass(frozen=True)
class _Placement:
    """Some of the maps, placed; addresses from ``low`` to before ``high`` are in use and may be negative."""

    bases: Mapping[str, int]
    low: int = 0
    high: int = 0

    @property
    def words(self) -> int:
        return self.high - self.low


_Distances = Mapping[tuple[str, str], frozenset[int]]


def allocate(lifetimes: Mapping[str, Lifetime], handovers: Iterable[Handover] = ()) -> dict[str, int]:
    """A base address, from 0 on, for each map so that maps alive in the same step overlap in handovers only.

    Greedy, the largest maps first, each where the addresses in use grow least. With handovers also beam searches, for a
    place that is good now may leave the next map a bad one, in this order and in that of execution. Deterministic; the
    fewest addresses win.
    """
    distances: dict[tuple[str, str], frozenset[int]] = {}
    for handover in handovers:
        distances[handover.source, handover.target] = frozenset(handover.distances)
        distances[handover.target, handover.source] = frozenset(-distance for distance in handover.distances)
    by_size = sorted(lifetimes, key=lambda name: (-lifetimes[name].size, lifetimes[name].first, name))
    best = _search(lifetimes, {}, by_size, 1)
    if distances:
        by_step = sorted(lifetimes, key=lambda name: (lifetimes[name].first, -lifetimes[name].size, name))
        others = (_search(lifetimes, distances, order, _BEAM) for order in (by_size, by_step))
        best = min((best, *others), key=lambda placement: placement.words)
    return {name: base - best.low for name, base in best.bases.items()}


def _search(lifetimes: Mapping[str, Lifetime], distances: _Distances, order: Sequence[str], beam: int) -> _Placement:
    """Places the maps in this order; of the placements of the first few keeps the ``beam`` best."""
    kept = [_Placement({})]
    for number, name in enumerate(order):
        life = lifetimes[name]
        rivals = [other for other in order[:number] if _meet(lifetimes[other], life)]
        future = [lifetimes[other] for other in order[number + 1 :]]
        alive = [other for other in order[: number + 1] if any(_meet(lifetimes[other], later) for later in future)]
        found: dict[tuple[int, ...], _Placement] = {}
        for placement in kept:
            for base in _free_bases(placement, name, rivals, lifetimes, distances):
                bases = {**placement.bases, name: base}
                low, high = min(placement.low, base), max(placement.high, base + life.size)
                # Placements that leave the maps to come the same room are one.
                key = (low - high, *(bases[other] - low for other in alive))
                found.setdefault(key, _Placement(bases, low, high))
        kept = sorted(
            found.values(), key=lambda placement: (placement.words, abs(placement.bases[name]), placement.bases[name])
        )[:beam]
    return kept[0]


def _meet(one: Lifetime, other: Lifetime) -> bool:
    return one.first <= other.last and other.first <= one.last


def _free_bases(
    placement: _Placement,
    name: str,
    rivals: Sequence[str],
    lifetimes: Mapping[str, Lifetime],
    distances: _Distances,
) -> list[int]:
    """Bases for a map beside its rivals or, as far as handovers allow, over them."""
    size = lifetimes[name].size
    candidates = {placement.low, placement.high - size}
    for other in rivals:
        base = placement.bases[other]
        candidates |= {base + lifetimes[other].size, base - size}
        candidates |= {base + distance for distance in distances.get((other, name), ())}
    places = [
        (placement.bases[other], lifetimes[other].size, distances.get((other, name), frozenset())) for other in rivals
    ]
    return [
        base
        for base in candidates
        if all(
            base + size <= start or start + length <= base or base - start in allowed
            for start, length, allowed in places
        )
    ]
