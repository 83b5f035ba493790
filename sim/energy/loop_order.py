"""Memory accesses of the two loop orders of a K x K convolution: Table 3 of the accelerator paper, repaired.

The printed input row of kernel first, ``n * (p + K - 1)**2``, fits a block of p x p pixels; every other row counts groups of p
pixels in a row. For a row, the window of a group covers K rows of ``p + K - 1`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Accesses", "kernel_first", "pixel_first"]


@dataclass(frozen=True)
class Accesses:
    """Values per input channel and output channel: reads of the input map and the weights, reads and writes of sums."""

    inputs: int
    weights: int
    sum_reads: int
    sum_writes: int


def kernel_first(groups: int, p: int, kernel: int, *, window_registers: bool = True) -> Accesses:
    """Finishes the K * K positions of one group of p pixels before the next: no sum is stored.

    ``window_registers``: registers behind the buffer hold the window, so each pixel of it is read once; without them the
    buffer is read at every position, as pixel first does.
    """
    inputs = kernel * (p + kernel - 1) if window_registers else p * kernel * kernel
    return Accesses(groups * inputs, groups * kernel * kernel, 0, groups * p)


def pixel_first(groups: int, p: int, kernel: int) -> Accesses:
    """Keeps a weight while ``groups`` groups of p pixels pass: weights are read once, sums are read and written at each position."""
    positions = kernel * kernel
    return Accesses(groups * p * positions, positions, groups * p * (positions - 1), groups * p * positions)
