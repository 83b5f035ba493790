"""Which requantizer a network needs: width of the multiplier, shifts and nudge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from .addition_weights import addition_candidates
from .graph import Add, Convolution, Graph
from .layer_requantization import byte_multipliers, layer_staircase, nudged_bits
from .line_solver import LARGEST_SHIFT, WIDEST_MULTIPLIER, LineSolver
from .nearest_line import SLOPES
from .requantize import input_ranges

__all__ = ["RequantizerParameters", "requantizer_parameters"]

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MOST_SHIFTS = 8
_NARROWEST = 8
_COST_OF_A_CODE_BIT = 2
"""A bit of the shift code doubles the shift multiplexer, about as much as this many bits of the multiplier."""


@dataclass(frozen=True, kw_only=True)
class RequantizerParameters:
    """The parameters of EngineConfig that say what the requantizer can do."""

    multiplier_width: int
    shifts: tuple[int, ...]
    nudge: int = 0


class _Needs:
    """What each channel of a network needs: bits of its multiplier at each shift, without or with nudge."""

    def __init__(self) -> None:
        self.plain: list[Int64Array] = []
        self.nudged: list[dict[int, Int64Array]] = []

    def allowed(self, width: int, nudge: int) -> BoolArray:
        """The shifts (columns) that each kind of channel (row) can do with, none of them twice."""
        rows = [np.concatenate([np.zeros((0, LARGEST_SHIFT + 1), np.int64), *self.plain]) <= width]
        for tables in self.nudged:
            bits = np.full_like(next(iter(tables.values())), WIDEST_MULTIPLIER + 1)
            for fraction, table in tables.items():
                if nudge + fraction <= LARGEST_SHIFT:
                    bits[:, nudge + fraction] = table[:, nudge + fraction]
            rows.append(bits <= width)
        packed = np.packbits(np.pad(np.concatenate(rows), ((0, 0), (0, 63 - LARGEST_SHIFT))), axis=1)
        kinds = np.unique(packed.view(np.uint64)).view(np.uint8).reshape(-1, 8)
        return np.unpackbits(kinds, axis=1)[:, : LARGEST_SHIFT + 1].astype(bool)


def requantizer_parameters(graph: Graph) -> RequantizerParameters:
    """The cheapest requantizer that solves every channel of a graph that can be solved and gives the others slopes as fine
    as float32's own rounding: a narrow multiplier and few shifts, and a nudge only where a layer needs one."""
    ranges = input_ranges(graph)
    needs = _Needs()
    for node in graph.nodes:
        if isinstance(node, Add):
            candidates = addition_candidates(node, ranges[node.input], ranges[node.second])
            slopes = _slope_bits(candidates.staircase.slope)
            needs.plain.append((candidates.bits if candidates.solvable else slopes).min(0, keepdims=True))
        if not isinstance(node, Convolution):
            continue
        if node.requantization.wraps:
            needs.plain.append(_byte_bits(*byte_multipliers(node, graph.tensors[node.input].zero_point)))
            continue
        stairs = layer_staircase(node, graph.tensors[node.input].zero_point, ranges[node.input])
        bits = LineSolver(stairs).multiplier_bits(np.arange(len(stairs.low)))
        unsolved = (bits > WIDEST_MULTIPLIER).all(1)
        if unsolved.any():
            nudged = nudged_bits(stairs.take(np.flatnonzero(unsolved)), node.requantization.zero_point)
            if nudged is not None and (nudged := nudged_bits(stairs, node.requantization.zero_point)) is not None:
                needs.nudged.append(nudged)
                continue
            bits[unsolved] = _slope_bits(stairs.slope[unsolved])
            bits = bits[(bits <= WIDEST_MULTIPLIER).any(1)]
        needs.plain.append(bits)
    best: tuple[int, RequantizerParameters] | None = None
    for width in range(_NARROWEST, WIDEST_MULTIPLIER + 1):
        for nudge in range(max(width - 4, 1), width + 1) if needs.nudged else (0,):
            shifts = _covering_shifts(needs.allowed(width, nudge))
            if shifts is None:
                continue
            cost = width + _COST_OF_A_CODE_BIT * ceil_log2(len(shifts))
            if best is None or cost < best[0]:
                best = cost, RequantizerParameters(multiplier_width=width, shifts=shifts, nudge=nudge)
        if best and width >= best[0]:
            break
    return best[1] if best else RequantizerParameters(multiplier_width=WIDEST_MULTIPLIER, shifts=(LARGEST_SHIFT,))


def _byte_bits(gain: Int64Array, _constant: Int64Array, shift: Int64Array) -> Int64Array:
    """Bits of the multipliers that give bytes of sums, for each channel (row) at each shift (column)."""
    bits = np.arange(LARGEST_SHIFT + 1) - shift[:, None] + gain[:, None]  # a gain is 1 or 2
    return np.where((bits >= gain[:, None]) & (bits <= WIDEST_MULTIPLIER), bits, WIDEST_MULTIPLIER + 1)


def _slope_bits(slope: NDArray[np.float64]) -> Int64Array:
    """Bits of the multipliers around each slope (row) at each shift (column), if they have the 24 bits of float32."""
    slopes = np.rint(np.ldexp(slope[:, None], np.arange(LARGEST_SHIFT + 1))) + SLOPES
    bits = np.floor(np.log2(slopes)).astype(np.int64) + 1
    return np.where((bits >= 24) & (bits <= WIDEST_MULTIPLIER), bits, WIDEST_MULTIPLIER + 1)


def _covering_shifts(allowed: BoolArray) -> tuple[int, ...] | None:
    """A few shifts of which every channel (row) allows one, or None.

    A channel allows the shifts of an interval (enough precision .. multiplier still narrow enough), nearly always: take
    the largest shift of the channel that ends first, leave out all channels it serves, and so on.
    """
    if not allowed.any(1).all():
        return None
    largest = allowed.shape[1] - 1 - allowed[:, ::-1].argmax(1)
    chosen: list[int] = []
    rest = np.ones(len(allowed), bool)
    while rest.any():
        shift = int(largest[rest].min())
        chosen.append(shift)
        rest &= ~allowed[:, shift]
    return tuple(sorted(chosen)) if 0 < len(chosen) <= _MOST_SHIFTS else (24,) if not chosen else None
