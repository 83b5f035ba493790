"""The dot product of int8 activations and binary weights: additions and subtractions."""

from __future__ import annotations

from .bit_plane_dot import BitPlaneDot

__all__ = ["BinaryWeightDot"]


class BinaryWeightDot(BitPlaneDot):
    """``total = sum(activations[k] if weights[k] & 1 else -activations[k])`` over the m bytes of two words.

    Source: BWN (XNOR-Net's paper) and YodaNN.

    Parameters
    ----------
    m : int, >= 1
        Bytes of a word.

    Members
    -------
    activations, weights : In(8 * m)
        Activations are two's complement bytes; of each weight byte only bit 0 counts.
    total : Out(signed(bits of 128 * m, + 1))

    **Timing.** Latency ``latency`` cycles; a total every cycle.

    **Reset.** Registers are not reset.
    """

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"A word has at least one byte, not {m}")
        self.m = m
        super().__init__(m, 8, 1, weight_pitch=8)
