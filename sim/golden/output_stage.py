"""Golden model of the output stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .requantizer import requantizer

__all__ = ["output_stage"]


def output_stage(
    accumulators: Sequence[int],
    parameters: Sequence[tuple[int, int, int]],
    shifts: Sequence[int],
    low: int,
    high: int,
    pivot: int = -128,
    nudge: int = 0,
    wrap: bool = False,
) -> list[int]:
    """Outputs of the lanes: each with its own (multiplier, offset, shift code)."""
    multiplier, offset, code = (np.array(column, object) for column in zip(*parameters, strict=True))
    shift = np.array([shifts[index] for index in code], object)
    sums = np.array(accumulators, object)
    return requantizer(sums, multiplier, offset, shift, low, high, pivot, nudge, wrap).astype(int).tolist()
