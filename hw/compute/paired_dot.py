"""Binary dot products that share what their activations decide alone: two products are one bit to count."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..control.delay import delay
from .plane_counter import PlaneCounter, sums_of_selected

__all__ = ["PairTerm", "PairedDot"]

_CENTRE = 192
"""Subtracted for each byte where bit planes have weights: about the mean, so that sums lie around 0."""


def _both(a: int, b: int, v: int, w: int) -> int:
    """B of ``[a = v] + [b = w] = 2 B + (a xor b) - (v xor w)``."""
    return ((a == v) + (b == w) - (a ^ b) + (v ^ w)) // 2


_BOTH = sum(_both(*(index >> place & 1 for place in range(4))) << index for index in range(16))


class PairTerm(wiring.Component):
    """``total = sum(popcount(a[2i] xor a[2i + 1]))`` over the m / 2 pairs of bytes of a word, what all lanes of a pixel have
    in common; with ``spread`` ``sum(a[2i] xor a[2i + 1]) - 192 * m``, of bytes as unsigned numbers.

    Parameters
    ----------
    m : int, even, >= 2
        Bytes of a word.
    spreading : bool
        Whether there is an input ``spread``.

    Members
    -------
    activations : In(8 * m)
    spread : In(1)
        Stable while totals are under way; only with ``spreading``.
    total : Out(signed(width of PairedDot's total))

    **Timing.** Latency ``latency`` cycles; a total every cycle.

    **Reset.** Registers are not reset.
    """

    activations: Signal
    spread: Signal
    total: Signal

    def __init__(self, m: int, *, spreading: bool) -> None:
        _even(m)
        self.m = m
        self.spreading = spreading
        self.latency = self.latency_of(m, spreading=spreading)
        members = {"activations": In(8 * m), "total": Out(signed(_width(m, spreading)))}
        super().__init__(members | ({"spread": In(1)} if spreading else {}))

    @staticmethod
    def latency_of(m: int, *, spreading: bool) -> int:
        """Latency in cycles without building the term."""
        return PlaneCounter.latency_of(m // 2, pairs=True, spreading=spreading) + spreading

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.counter = counter = PlaneCounter(self.m // 2, pairs=True, spreading=self.spreading)
        words = [self.activations.word_select(byte, 8) for byte in range(self.m)]
        m.d.comb += [counter.bits.eq(Cat(words[::2])), counter.others.eq(Cat(words[1::2]))]
        if self.spreading:
            total = Signal(self.total.shape(), reset_less=True)
            m.d.comb += [counter.spread.eq(self.spread), self.total.eq(total)]
            m.d.sync += total.eq(counter.total - Mux(self.spread, _CENTRE * self.m, 0))
        else:
            m.d.comb += self.total.eq(counter.total)
        return m


class PairedDot(wiring.Component):
    """``total`` = how many of the ``8 * m`` bits of ``activations`` and ``weights`` are equal, plus
    ``sum(popcount(v[2i] xor v[2i + 1]))`` over the pairs of bytes of ``weights``: a constant that the compiler knows.

    With ``spread`` each bit counts ``2**k``, k its place in its byte: with bytes as unsigned numbers ``total`` is
    ``sum(255 - (a[k] xor v[k])) + sum(v[2i] xor v[2i + 1]) - 192 * m``. Where each weight byte is 127 or -128, that is
    the sum of the int8 activations, each added or subtracted, plus what it is for activations of 0.

    Of two products the equal bits are ``[a = v] + [b = w] = 2 B + (a xor b) - (v xor w)`` with a single bit B of all
    four. Here the bits B are counted; the second term is :class:`PairTerm`'s, one for all lanes of a pixel; the third is left out.

    Source: Winograd's inner product (1968), which moves products of activations alone and of weights alone out of the sum.

    Parameters
    ----------
    m : int, even, >= 2
        Bytes of a word.
    spreading : bool
        Whether there is an input ``spread``.

    Members
    -------
    activations, weights : In(8 * m)
    common : In(signed(width of total))
        PairTerm's total for activations ``common_delay`` cycles ago.
    spread : In(1)
        Stable while totals are under way; only with ``spreading``.
    total : Out(signed(bits of 12 * m, or of 192 * m with ``spreading``, + 1))

    **Timing.** Latency ``latency = common_delay + 1`` cycles; a total every cycle.

    **Reset.** Registers are not reset.
    """

    activations: Signal
    weights: Signal
    common: Signal
    spread: Signal
    total: Signal

    def __init__(self, m: int, *, spreading: bool) -> None:
        _even(m)
        self.m = m
        self.spreading = spreading
        self.latency = self.latency_of(m, spreading=spreading)
        self.common_delay = self.latency - 1
        shape = signed(_width(m, spreading))
        members = {"activations": In(8 * m), "weights": In(8 * m), "common": In(shape), "total": Out(shape)}
        super().__init__(members | ({"spread": In(1)} if spreading else {}))

    @staticmethod
    def latency_of(m: int, *, spreading: bool) -> int:
        """Latency in cycles without building the dot product."""
        counter = PlaneCounter.latency_of(m // 2, pairs=False, spreading=spreading)
        return 1 + max(1 + counter, PairTerm.latency_of(m, spreading=spreading))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.counter = counter = PlaneCounter(self.m // 2, pairs=False, spreading=self.spreading)
        both = Signal(4 * self.m, reset_less=True)
        a, v = ([word.word_select(byte, 8) for byte in range(self.m)] for word in (self.activations, self.weights))
        for place in range(4 * self.m):
            even, bit = 2 * (place // 8), place % 8
            inputs = Cat(a[even][bit], a[even + 1][bit], v[even][bit], v[even + 1][bit])
            m.d.sync += both[place].eq(Const(_BOTH, 16).bit_select(inputs, 1))
        m.d.comb += counter.bits.eq(both)
        if self.spreading:
            m.d.comb += counter.spread.eq(self.spread)
        count = delay(m, counter.total, self.common_delay - 1 - counter.latency, "count")[-1]
        # The lowest bit is the common term's.
        (upper,) = sums_of_selected(
            m, Const(0, 1), [(self.common[1:], count, count, len(self.total) - 1)], "upper", platform
        )
        total = Signal(self.total.shape(), reset_less=True)
        m.d.sync += total.eq(Cat(self.common[0], upper))
        m.d.comb += self.total.eq(total)
        return m


def _even(m: int) -> None:
    if m < 2 or m % 2:
        raise ValueError(f"Pairs of bytes need an even number of at least 2 bytes, not {m}")


def _width(m: int, spreading: bool) -> int:
    """Bits of the total, two's complement: -192 * m to 190.5 * m, or 0 to 12 * m."""
    return ((_CENTRE if spreading else 12) * m).bit_length() + 1
