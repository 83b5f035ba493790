"""The dot product of int8 activations and ternary weights: additions and subtractions."""

from __future__ import annotations

from .bit_plane_dot import BitPlaneDot

__all__ = ["TernaryWeightDot"]


class TernaryWeightDot(BitPlaneDot):
    """``total = sum(activations[k] * w[k])`` over the m bytes of two words, with w[k] the low two bits of weight byte k.

    Source: TWN (ternary weight networks).

    Parameters
    ----------
    m : int, >= 1
        Bytes of a word.

    Members
    -------
    activations, weights : In(8 * m)
        Activations are two's complement bytes; of each weight byte only the low two bits count: 11, 00 or 01 for -1, 0, 1.
        With 10 the total is undefined.
    total : Out(signed(bits of 256 * m, + 1))

    **Timing.** Latency ``latency`` cycles; a total every cycle.

    **Reset.** Registers are not reset.
    """

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"A word has at least one byte, not {m}")
        self.m = m
        super().__init__(m, 8, 2, weight_pitch=8)
