"""The energy of one inference, line by line as in Table 6 of the accelerator paper.

A model: it counts accesses and multiplies by the energy of each. Formulas and units that the paper does not print were found by
fitting its Table 6 (docs/energy.md says which, and what stays unexplained).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import ceil

from .layer_shape import LayerShape
from .memory_technology import DDR4, Accumulator, Buffer, Dram
from .pinning import pinned_layers
from .schedule import Plan, Segment, Storage, best_plan

__all__ = ["PRODUCT_PJ", "Design", "Energy", "SCHEDULES", "energy", "schedule"]

PRODUCT_PJ = 0.0703
"""pJ of an 8-bit multiplication and its addition: 526 uJ of Table 6 over the network's products."""

SCHEDULES = ("single layer", "cross layer", "pinned weights")
"""Each includes the ones before it."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """An accelerator of the paper: a p x m x n array at ``clock_hz``, two feature buffers, a weight buffer, DDR.

    ``accumulator``: the accumulation memory of each of the p * n sums; None: one register, so a weight is read for each
    pixel group. A memory of d words in two halves lets d / 2 pixel groups share a read (fewer where a layer has fewer).
    ``feature_reads``: how reads of the feature buffer are charged: "none" (the paper's 0.29 uJ is less than one pass over the
    maps), "windows" (registers behind the buffer hold the K x (p + K - 1) window of a group) or "steps" (p * m bytes every cycle).
    ``reload``: how often unpinned weights are read from DDR; the paper's figures need 1.25 and do not say why.
    ``capped``: whether a layer with fewer pixel groups than the accumulation memory shares less.
    """

    features: Buffer
    weights: Buffer
    accumulator: Accumulator | None = None
    dram: Dram = DDR4
    p: int = 8
    m: int = 8
    n: int = 8
    clock_hz: float = 1e9
    feature_reads: str = "none"
    reload: float = 1.0
    capped: bool = True

    @property
    def area_um2(self) -> float:
        """Of all on-chip memories."""
        sums = self.p * self.n * self.accumulator.area_um2 if self.accumulator else 0.0
        return 2 * self.features.banks * self.features.area_um2 + self.weights.banks * self.weights.area_um2 + sums


@dataclass(frozen=True, kw_only=True)
class Energy:
    """uJ of one inference."""

    read_features: float
    read_weights: float
    read_dram: float
    write_features: float
    write_weights: float
    write_dram: float
    accumulate: float
    standby: float
    calculate: float

    @property
    def total(self) -> float:
        """All lines."""
        return sum(getattr(self, line.name) for line in fields(self))

    @property
    def on_chip(self) -> float:
        """What the on-chip buffers and sums spend on accesses."""
        return self.read_features + self.read_weights + self.write_features + self.write_weights + self.accumulate


def _weight_bytes_read(layer: LayerShape, design: Design, steps: int) -> float:
    fetched = steps * min(layer.channels // layer.groups, design.m) * design.n
    if design.accumulator is None:
        return fetched
    shared = design.accumulator.depth // 2
    groups = layer.pixel_groups(design.p)
    return fetched * ceil(groups / shared) / groups if design.capped else fetched / shared


def _feature_bytes_read(layer: LayerShape, design: Design, steps: int) -> float:
    fetched = steps * design.p * min(layer.channels // layer.groups, design.m)
    if design.feature_reads == "windows":
        rows, columns = layer.kernel
        return fetched * rows * ((design.p - 1) * layer.stride[1] + columns) / (design.p * rows * columns)
    return fetched if design.feature_reads == "steps" else 0.0


def energy(layers: Sequence[LayerShape], design: Design, plan: Plan) -> Energy:
    """The energy of ``plan``. Every design is compute-bound in the paper; time is the larger of steps and external bytes."""
    weights_read = features_read = 0.0
    steps = 0
    for segment in plan.segments:
        for layer, rows in zip(layers[segment.first : segment.end], segment.rows, strict=True):
            count = layer.steps(design.p, design.m, design.n, rows)
            steps += count
            weights_read += _weight_bytes_read(layer, design, count)
            features_read += _feature_bytes_read(layer, design, count)
    traffic = plan.traffic
    weights_in = design.reload * traffic.weights
    seconds = max(
        steps / design.clock_hz,
        (weights_in + traffic.features_read + traffic.features_written) / (design.dram.bandwidth * design.dram.chips),
    )
    sums = design.p * design.n
    stored = layers[0].input_bytes + sum(layer.stored_bytes for layer in layers)
    leakage = (
        design.dram.chips * design.dram.leakage_mw
        + 2 * design.features.banks * design.features.leakage_mw
        + design.weights.banks * design.weights.leakage_mw
        + (sums * design.accumulator.leakage_nw * 1e-6 if design.accumulator else 0.0)
    )
    per_step = design.accumulator.read_pj + design.accumulator.write_pj if design.accumulator else 0.0
    return Energy(
        read_features=design.features.read_uj(features_read),
        read_weights=design.weights.read_uj(weights_read),
        read_dram=(weights_in + traffic.features_read) * design.dram.read_pj * 1e-6,
        write_features=design.features.write_uj(stored),
        write_weights=design.weights.write_uj(traffic.weights),
        write_dram=traffic.features_written * design.dram.write_pj * 1e-6,
        accumulate=steps * sums * per_step * 1e-6,
        standby=seconds * leakage * 1e3,
        calculate=sum(layer.products for layer in layers) * PRODUCT_PJ * 1e-6,
    )


def schedule(layers: Sequence[LayerShape], design: Design, kind: str) -> Plan:
    """The plan with the least energy of a kind of :data:`SCHEDULES`. Raises ValueError where the network cannot be run."""
    storage = Storage(design.features.size, design.weights.size)

    def cost(segment: Segment) -> float:
        spent = energy(layers, design, Plan((segment,)))
        # What all plans write into the feature buffers and multiply is the same.
        return spent.total - spent.write_features - spent.calculate

    def plan(pinned: frozenset[int] = frozenset()) -> Plan:
        return best_plan(layers, storage, cost, fuse=kind != SCHEDULES[0], pinned=pinned)

    if kind not in SCHEDULES:
        raise ValueError(f"No schedule {kind!r}; there are: {', '.join(SCHEDULES)}.")
    if kind != SCHEDULES[2]:
        return plan()

    def total(pinned: frozenset[int]) -> float | None:
        try:
            return energy(layers, design, plan(pinned)).total
        except ValueError:
            return None

    return plan(pinned_layers(layers, storage.weights, total))
