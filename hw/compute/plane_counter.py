"""A count of bits, in which each bit plane of a byte can have the weight of its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.ccu2c import add_selected
from ..primitives.target import Family, family_of
from .compression import Term, compress
from .compressor_tree import CompressorTree

__all__ = ["PlaneCounter", "sums_of_selected"]


class PlaneCounter(wiring.Component):
    """``total = sum(f(bits of place k) << (k % 8 if spread else 0))`` over the ``8 * count`` places of ``count`` bytes.

    f is the bit itself or, of pairs, the XOR of two. The bits of one plane are counted first. Three levels of adders join
    the eight counts, the second one of each adder shifted by 1, 2 and 4 bits with ``spread``: in an ECP5's carry cell the
    choice costs nothing.

    Parameters
    ----------
    count : int, >= 1
        Bytes.
    pairs : bool
        Whether a place is a bit of ``bits`` and one of ``others``, and what counts is their XOR.
    spreading : bool
        Whether there is an input ``spread``; else it is 0, and one compressor tree counts all.

    Members
    -------
    bits, others : In(8 * count)
        ``others`` only with ``pairs``.
    spread : In(1)
        Stable while totals are under way; only with ``spreading``.
    total : Out(bits of 8 * count, or of 255 * count with ``spreading``)

    **Timing.** Latency ``latency`` cycles; a total every cycle.

    **Reset.** Registers are not reset.
    """

    bits: Signal
    others: Signal
    spread: Signal
    total: Signal

    def __init__(self, count: int, *, pairs: bool, spreading: bool) -> None:
        if count < 1:
            raise ValueError(f"A counter of bits has at least one byte, not {count}")
        self.count = count
        self.pairs = pairs
        self.spreading = spreading
        self._field = count.bit_length()
        self._in_tables = _in_tables(count, pairs=pairs, spreading=spreading)
        self._sum = _counted(count, pairs=pairs, spreading=spreading)
        self.latency = self.latency_of(count, pairs=pairs, spreading=spreading)
        members = {"bits": In(8 * count), "total": Out(((255 if spreading else 8) * count).bit_length())}
        members |= {"others": In(8 * count)} if pairs else {}
        super().__init__(members | ({"spread": In(1)} if spreading else {}))

    @staticmethod
    def latency_of(count: int, *, pairs: bool, spreading: bool) -> int:
        """Latency in cycles without building the counter."""
        if _in_tables(count, pairs=pairs, spreading=spreading):
            return 4
        return compress(*_counted(count, pairs=pairs, spreading=spreading)).latency + (3 if spreading else 0)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self._in_tables:
            counted = self._counted_in_tables(m)
        else:
            m.submodules.tree = tree = CompressorTree(*self._sum)
            places = zip(self.bits, self.others, strict=True) if self.pairs else ((bit,) for bit in self.bits)
            m.d.comb += tree.operands.eq(Cat(bit for place in places for bit in place))
            counted = tree.total
        if not self.spreading:
            m.d.comb += self.total.eq(counted)
            return m
        terms: list[Value] = [counted.word_select(plane, self._field) for plane in range(8)]
        largest = self.count
        for level, shift in enumerate((1, 2, 4)):
            largest += largest << shift
            sums = [
                (low, high, Cat(Const(0, shift), high), largest.bit_length())
                for low, high in zip(terms[::2], terms[1::2], strict=True)
            ]
            added = sums_of_selected(m, self.spread, sums, f"level_{level}", platform)
            terms = [Signal(len(value), name=f"sum_{level}_{place}", reset_less=True) for place, value in enumerate(added)]
            m.d.sync += [held.eq(value) for held, value in zip(terms, added, strict=True)]
        m.d.comb += self.total.eq(terms[0])
        return m

    def _counted_in_tables(self, m: Module) -> Signal:
        """The count of each plane, one behind the other."""
        counted = Signal(8 * self._field, name="counted", reset_less=True)
        for plane in range(8):
            column = Cat(self.bits[8 * byte + plane] for byte in range(self.count))
            for bit in range(self._field):
                table = sum((index.bit_count() >> bit & 1) << index for index in range(1 << self.count))
                m.d.sync += counted[self._field * plane + bit].eq(Const(table, 1 << self.count).bit_select(column, 1))
        return counted


def _in_tables(count: int, *, pairs: bool, spreading: bool) -> bool:
    """Whether planes are so short that a table of a plane's bits gives each bit of its count."""
    return spreading and not pairs and count <= 4


def _counted(count: int, *, pairs: bool, spreading: bool) -> tuple[tuple[Term, ...], int, int]:
    """The compressor tree of all bits; with ``spreading`` the counts of the planes stand beside each other."""
    values = (0, 1, 1, 0) if pairs else (0, 1)
    if not spreading:
        return (Term(0, values),) * (8 * count), 0, (8 * count).bit_length()
    field = count.bit_length()
    return tuple(Term(field * (place % 8), values) for place in range(8 * count)), 0, 8 * field


def sums_of_selected(
    m: Module, select: Value, sums: Sequence[tuple[Value, Value, Value, int]], name: str, platform: Any
) -> list[Value]:
    """For each ``(a, low, high, width)``: ``a + (high if select else low)``, which must fit ``width`` bits; the last need
    not, and is that modulo ``2**width``."""
    if family_of(platform) is Family.ECP5:
        return list(add_selected(m, select, sums, name))
    return [(a + Mux(select, high, low))[:width] for a, low, high, width in sums]
