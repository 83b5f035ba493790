# amaranth: UnusedElaboratable=no
"""Proof about the checksum unit: nothing else matches than a message with its own checksum behind it."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from amaranth.hdl import Assert, Cover, Elaboratable, Module

from macaw.hw.bus.crc32 import Crc32
from macaw.sim.proof import prove

RESIDUE = 0x2144DF1C
"""The checksum of any message and its checksum (ISO 3309)."""


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
