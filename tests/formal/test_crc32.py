# amaranth: UnusedElaboratable=no
"""Proofs about the checksum unit: it divides, and nothing else matches than a message with its own checksum behind it."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from amaranth.hdl import Assert, Cat, Cover, Elaboratable, Module, Mux, Signal, Value

from macaw.hw.bus.crc32 import Crc32
from macaw.sim.proof import prove

RESIDUE = 0x2144DF1C
"""The checksum of any message and its checksum (ISO 3309)."""
GENERATOR = 0x104C11DB7
"""x**32 + x**26 + x**23 + ... + 1 of IEEE 802.3, bit n for x**n."""


def _product(quotient: Value, width: int) -> Value:
    """The polynomial ``quotient`` times the generator."""
    total: Value = Mux(quotient[0], GENERATOR, 0)
    for power in range(1, len(quotient)):
        total = total ^ (Mux(quotient[power], GENERATOR, 0) << power)
    return total[:width]


class _Division(Elaboratable):
    """With bits as polynomials, the first bit on the line the highest power: the register before times x**width plus the
    data times x**32 is a multiple of the generator plus the register behind it. The multiple is written down in long division."""

    def __init__(self, width: int) -> None:
        self.unit = Crc32(width)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.unit = unit = self.unit
        width = unit.width
        register, taken, dividend = Signal(32), Signal(), Signal(32 + width)
        m.d.comb += register.eq((~unit.crc)[::-1])
        m.d.sync += [
            taken.eq(unit.i.valid & ~unit.clear),
            dividend.eq((register << width) ^ (unit.i.payload[::-1] << 32)),
        ]
        rest: Value = dividend
        quotient: list[Value] = []
        for power in reversed(range(width)):
            quotient.insert(0, rest[32 + power])
            step = Signal(32 + width, name=f"rest_{power}")
            m.d.comb += step.eq(rest ^ (Mux(rest[32 + power], GENERATOR, 0) << power))
            rest = step
        m.d.comb += [
            Assert(~taken | (dividend == (_product(Cat(*quotient), 32 + width) ^ register))),
            Cover(taken & quotient[0] & quotient[-1] & register[3]),
        ]
        return m


class _Match(Elaboratable):
    """Bytes and clears in any order."""

    def __init__(self) -> None:
        self.unit = Crc32()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.unit = unit = self.unit
        m.d.comb += [Assert(unit.match == (unit.crc == RESIDUE)), Assert(unit.i.ready), Cover(unit.crc == zlib.crc32(b"M"))]
        return m


def test_match(tmp_path: Path) -> None:
    assert zlib.crc32(b"message" + zlib.crc32(b"message").to_bytes(4, "little")) == RESIDUE
    spec = _Match()
    prove(spec, [spec.unit.i.payload, spec.unit.i.valid, spec.unit.clear], tmp_path, depth=2, cover=4)


def test_division(tmp_path: Path) -> None:
    """For every register and every byte."""
    spec = _Division(8)
    prove(spec, [spec.unit.i.payload, spec.unit.i.valid, spec.unit.clear], tmp_path, depth=2, cover=4)
