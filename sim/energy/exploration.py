"""The accelerator paper's 125 designs per weight-memory technology, and which of them are best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from .energy_model import SCHEDULES, Design, Energy, energy, schedule
from .layer_shape import LayerShape
from .memory_technology import ACCUMULATORS, SRAM, Buffer
from .schedule import Plan

__all__ = ["Point", "explore", "pareto"]


@dataclass(frozen=True)
class Point:
    """A design, its best plan of one kind of schedule, and the energy of an inference."""

    design: Design
    schedule: str
    plan: Plan
    energy: Energy


def explore(
    layers: Sequence[LayerShape],
    weights: Sequence[Buffer],
    *,
    kind: str = SCHEDULES[2],
    feature_reads: str = "none",
    reload: float = 1.0,
    capped: bool = True,
) -> Iterator[Point]:
    """Five feature buffers times the weight buffers times no and four accumulation memories.

    ``feature_reads``, ``reload`` and ``capped`` as in :class:`Design`. A design in which the network cannot run is left out.
    """
    for features, buffer, accumulator in product(SRAM, weights, (None, *ACCUMULATORS)):
        design = Design(
            features=features,
            weights=buffer,
            accumulator=accumulator,
            feature_reads=feature_reads,
            reload=reload,
            capped=capped,
        )
        try:
            plan = schedule(layers, design, kind)
        except ValueError:
            continue
        yield Point(design, kind, plan, energy(layers, design, plan))


def pareto(points: Sequence[Point]) -> list[Point]:
    """Those than which no other takes both less energy and less area, by area."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.design.area_um2, point.energy.total)):
        if not best or point.energy.total < best[-1].energy.total:
            best.append(point)
    return best
