"""The 4-bit dot product."""

from __future__ import annotations

from .bit_plane_dot import BitPlaneDot

__all__ = ["Int4Dot"]


class Int4Dot(BitPlaneDot):
    """``total = sum(activations[k] * weights[k])`` over the ``2 * m`` nibbles of two words, in look-up tables.

    Source: the MAC array's dot product at a word of 4-bit values.

    Parameters
    ----------
    m : int, >= 1
        Bytes of a word.

    Members
    -------
    activations, weights : In(8 * m)
        Two's complement nibbles (format ``int4``).
    total : Out(signed(bits of 128 * m, + 1))

    **Timing.** Latency ``latency`` cycles; a total every cycle.

    **Reset.** Registers are not reset.
    """

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"A word has at least one byte, not {m}")
        self.m = m
        super().__init__(2 * m, 4, 4)
