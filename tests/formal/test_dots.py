# amaranth: UnusedElaboratable=no
"""Proofs: dot products of few bits equal their definition for all operands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal, Value, signed

from macaw.hw.compute.binary_weight_dot import BinaryWeightDot
from macaw.hw.compute.int4_dot import Int4Dot
from macaw.hw.compute.paired_dot import PairedDot, PairTerm
from macaw.hw.compute.ternary_dot import TernaryDot
from macaw.hw.compute.ternary_weight_dot import TernaryWeightDot
from macaw.hw.compute.xnor_popcount import XnorPopcount
from macaw.hw.control.delay import delay
from macaw.sim.proof import prove

_Pairs = Callable[[Value, Value], list[Any]]


def _values(word: Value, width: int) -> list[Value]:
    return [word.word_select(k, width).as_signed() for k in range(len(word) // width)]


def _equal_bits(a: Value, w: Value) -> list[Any]:
    return [x == y for x, y in zip(a, w, strict=True)]


def _products(width: int) -> _Pairs:
    return lambda a, w: [x * y for x, y in zip(_values(a, width), _values(w, width), strict=True)]


def _ternary_weights(a: Value, w: Value) -> list[Any]:
    return [x * w.word_select(k, 8)[:2].as_signed() for k, x in enumerate(_values(a, 8))]


def _binary_weights(a: Value, w: Value) -> list[Any]:
    return [x * (2 * w.word_select(k, 8)[0] - 1) for k, x in enumerate(_values(a, 8))]


class _Definition(Elaboratable):
    """``dot.total`` is the sum of ``terms`` of the operands ``dot.latency`` cycles before."""

    def __init__(self, dot: Any, terms: _Pairs, codes: int, pitch: int, both: bool) -> None:
        self.dot, self.terms, self.codes, self.pitch, self.both = dot, terms, codes, pitch, both

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.dot = dot = self.dot
        for word in (dot.activations, dot.weights) if self.both else (dot.weights,):
            for k in range(len(word) // self.pitch if self.codes else 0):
                m.d.comb += Assume(word[self.pitch * k : self.pitch * k + 2] != 0b10)
        a, w = (delay(m, word, dot.latency, name)[-1] for word, name in ((dot.activations, "a"), (dot.weights, "w")))
        age = Signal(range(dot.latency + 2))
        with m.If(age <= dot.latency):
            m.d.sync += age.eq(age + 1)
        m.d.comb += Assert((age < dot.latency) | (dot.total == sum(self.terms(a, w))))
        m.d.comb += Cover((age > dot.latency) & (dot.total == 3))
        return m


CASES: dict[str, tuple[type[Any], _Pairs, int, int, bool]] = {
    "xnor_popcount": (XnorPopcount, _equal_bits, 0, 1, False),
    "ternary": (TernaryDot, _products(2), 3, 2, True),
    "int4": (Int4Dot, _products(4), 0, 4, False),
    "ternary_weights": (TernaryWeightDot, _ternary_weights, 3, 8, False),
    "binary_weights": (BinaryWeightDot, _binary_weights, 0, 8, False),
}


@pytest.mark.parametrize(
    ("name", "m"),
    [pytest.param(name, m, marks=() if (name, m) == ("ternary", 1) else pytest.mark.slow)
     for name in CASES for m in (1, 2) if (name, m) != ("int4", 2)],
)  # fmt: skip
def test_definition(name: str, m: int, tmp_path: Path) -> None:
    kind, terms, codes, pitch, both = CASES[name]
    dot = kind(m)
    spec = _Definition(dot, terms, codes, pitch, both)
    prove(spec, [dot.activations, dot.weights], tmp_path, depth=dot.latency + 2, cover=dot.latency + 3)


class _Shared(Elaboratable):
    """A term of activations, or a dot product beside any such term: together they are the definition, because of two
    products ``[a = v] + [b = w] = 2 B + (a xor b) - (v xor w)``, and the last is the surplus that the compiler knows.
    """

    def __init__(self, unit: PairTerm | PairedDot) -> None:
        self.unit = unit
        self.spread = Signal()

    @property
    def ports(self) -> list[Any]:
        unit = self.unit
        words = [unit.activations, unit.weights, unit.common] if isinstance(unit, PairedDot) else [unit.activations]
        return [*words, self.spread]

    def _counted(self, m: Module, bits: list[Value], name: str) -> Value:
        a, b, *weights = bits
        if not weights:
            return a ^ b
        v, w = weights
        doubled = Signal(signed(4), name=name)
        m.d.comb += doubled.eq((a == v) + (b == w) - (a ^ b) + (v ^ w))
        return doubled

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.unit = unit = self.unit
        words = [delay(m, unit.activations, unit.latency, "a")[-1]]
        start: Value = Value.cast(0)
        if isinstance(unit, PairedDot):
            words.append(delay(m, unit.weights, unit.latency, "v")[-1])
            start = delay(m, unit.common, 1, "common")[-1]
            spread = self.spread if unit.spreading else 0
            least, most = Mux(spread, -192 * unit.m, 0), Mux(spread, 255 * unit.m // 2 - 192 * unit.m, 4 * unit.m)
            m.d.comb += Assume((unit.common >= least) & (unit.common <= most))
        elif unit.spreading:
            start = Mux(self.spread, -192 * unit.m, 0)
        if unit.spreading:
            before, begun = Signal(), Signal()
            m.d.sync += [before.eq(self.spread), begun.eq(1)]
            m.d.comb += [Assume(~begun | (self.spread == before)), unit.spread.eq(self.spread)]
        wide = len(unit.total) + 1
        total: Value = start
        for place in range(8 * unit.m // 2):
            even, bit = 16 * (place // 8), place % 8
            counted = self._counted(m, [word[even + at + bit] for word in words for at in (0, 8)], f"counted_{place}")
            sum_ = Signal(signed(wide), name=f"sum_{place}")
            value = Mux(self.spread, counted << bit, counted) if unit.spreading else counted
            m.d.comb += sum_.eq(total + value)
            total = sum_
        age = Signal(range(unit.latency + 2))
        with m.If(age <= unit.latency):
            m.d.sync += age.eq(age + 1)
        m.d.comb += [Assert((age < unit.latency) | (unit.total == total)), Cover((age > unit.latency) & (total == 5))]
        return m


@pytest.mark.parametrize(
    ("kind", "spreading"),
    [(PairTerm, False), pytest.param(PairTerm, True, marks=pytest.mark.slow), pytest.param(PairedDot, False, marks=pytest.mark.slow),
     pytest.param(PairedDot, True, marks=pytest.mark.slow)],
)  # fmt: skip
def test_paired(kind: Any, spreading: bool, tmp_path: Path) -> None:
    """All operands of two bytes."""
    spec = _Shared(kind(2, spreading=spreading))
    prove(spec, spec.ports, tmp_path, depth=spec.unit.latency + 2, bounded=True, cover=spec.unit.latency + 3)
