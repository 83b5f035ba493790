"""Which requantizer a network needs: width of the multiplier and shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from .graph import Convolution, Graph
from .layer_requantization import accumulator_constant, reachable_accumulators
from .requantize import input_ranges
from .staircase import LARGEST_SHIFT, SLOPES, WIDEST_MULTIPLIER, Staircase

__all__ = ["RequantizerParameters", "requantizer_parameters"]

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RequantizerParameters:
    """The parameters of EngineConfig that say what the requantizer can do."""

    multiplier_width: int
    shifts: tuple[int, int, int, int]
    nudge: int = 0


def requantizer_parameters(graph: Graph) -> RequantizerParameters:
    """The smallest multiplier_width, and four shifts for it, that solve every channel of a graph that can be solved and
    give the others slopes as fine as float32's own rounding."""
    ranges = input_ranges(graph)
    tables = [np.zeros((0, LARGEST_SHIFT + 1), np.int64)]
    for node in graph.nodes:
        if isinstance(node, Convolution):
            zero_point = graph.tensors[node.input].zero_point
            low, high = reachable_accumulators(node, zero_point, ranges[node.input])
            staircase = Staircase(node.requantization, accumulator_constant(node, zero_point), low, high)
            bits = staircase.multiplier_bits(np.arange(len(low)))
            unsolved = (bits > WIDEST_MULTIPLIER).all(1)
            bits[unsolved] = _slope_bits(node.requantization.slope[unsolved])
            tables.append(bits)
    bits = np.concatenate(tables)
    bits = bits[(bits <= WIDEST_MULTIPLIER).any(1)]
    for width in range(8, WIDEST_MULTIPLIER + 1):
        shifts = _covering_shifts(bits <= width)
        if shifts is not None:
            return RequantizerParameters(multiplier_width=width, shifts=shifts)
    return RequantizerParameters(multiplier_width=WIDEST_MULTIPLIER, shifts=EngineConfig(p=1, m=1, n=1).shifts)


def _slope_bits(slope: NDArray[np.float64]) -> Int64Array:
    """Bits of the multipliers around each slope (row) at each shift (column), if they have the 24 bits of float32."""
    slopes = np.rint(np.ldexp(slope[:, None], np.arange(LARGEST_SHIFT + 1))) + SLOPES
    bits = np.floor(np.log2(slopes)).astype(np.int64) + 1
    return np.where((bits >= 24) & (bits <= WIDEST_MULTIPLIER), bits, WIDEST_MULTIPLIER + 1)


def _covering_shifts(allowed: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Four shifts of which every channel (row) allows one, or None.

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
    if len(chosen) > 4:
        return None
    # The engine has four different shifts: unused places hold the neighbours of the smallest, or the largest there are.
    below = range(min(chosen, default=24) - 1, 0, -1)
    for shift in (*below, *range(allowed.shape[1] - 1, 0, -1)):
        if len(chosen) < 4 and shift not in chosen:
            chosen.append(shift)
    first, second, third, fourth = sorted(chosen)
    return first, second, third, fourth
