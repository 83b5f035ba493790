"""Addresses in the feature buffer: maps as the registers of a program, lifetimes decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Lifetime", "allocate"]


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """A map of ``size`` addresses, written by step ``first`` and last read by step ``last`` (the input is written by step -1).

    A step's output must not overlap its inputs, so a lifetime includes both of its ends.
    """

    size: int
    first: int
    last: int


def allocate(lifetimes: Mapping[str, Lifetime]) -> dict[str, int]:
    """A base address for each map so that maps alive in the same step do not overlap.

    Greedy by size, largest first, at the lowest free address (first fit decreasing); deterministic.
    """
    placed: dict[str, int] = {}
    for name in sorted(lifetimes, key=lambda name: (-lifetimes[name].size, lifetimes[name].first, name)):
        life = lifetimes[name]
        rivals = sorted(
            (placed[other], placed[other] + lifetimes[other].size)
            for other in placed
            if lifetimes[other].first <= life.last and life.first <= lifetimes[other].last
        )
        base = 0
        for start, end in rivals:
            if base + life.size <= start:
                break
            base = max(base, end)
        placed[name] = base
    return placed
