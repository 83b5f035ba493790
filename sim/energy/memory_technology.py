"""Energies, leakage and areas of memories: Tables 4 and 5 of the accelerator paper as data.

The paper prints "pJ" without saying per what. Its own Table 6 forces the reading used here: on-chip energies are per access
of one word, sizes are those of one of eight banks, DDR energies are per byte, DDR leakage is per chip of two.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACCUMULATORS", "DDR4", "RRAM", "SRAM", "Accumulator", "Buffer", "Dram"]

_KB = 1024


@dataclass(frozen=True)
class Buffer:
    """An on-chip buffer of ``banks`` equal banks. Energies in pJ per word of ``word_bytes``, leakage in mW and area in um2 per bank."""

    technology: str
    word_bytes: int
    bank_bytes: int
    read_pj: float
    write_pj: float
    leakage_mw: float
    area_um2: float
    banks: int = 8

    @property
    def size(self) -> int:
        """Bytes of all banks."""
        return self.banks * self.bank_bytes

    @property
    def name(self) -> str:
        """As in a table: "1 MB RRAM"."""
        kilobytes = self.size // _KB
        return f"{kilobytes // 1024} MB {self.technology}" if kilobytes >= 1024 else f"{kilobytes} KB {self.technology}"

    def read_uj(self, count: float) -> float:
        """Energy of reading ``count`` bytes in whole words, in uJ."""
        return count / self.word_bytes * self.read_pj * 1e-6

    def write_uj(self, count: float) -> float:
        """Energy of writing ``count`` bytes, in uJ."""
        return count / self.word_bytes * self.write_pj * 1e-6


@dataclass(frozen=True)
class Accumulator:
    """A 32-bit accumulation memory of ``depth`` words: energies in pJ per word, area in um2, leakage in nW."""

    depth: int
    read_pj: float
    write_pj: float
    area_um2: float
    leakage_nw: float


@dataclass(frozen=True)
class Dram:
    """External memory: energies in pJ per byte, leakage in mW per chip, bandwidth in bytes per second per chip."""

    read_pj: float
    write_pj: float
    leakage_mw: float
    bandwidth: float
    chips: int = 2


RRAM = tuple(
    Buffer("RRAM", 32, size * _KB, read, write, leakage, area)
    for size, read, write, leakage, area in (
        (128, 67.690, 195.286, 0.04000, 21224),
        (256, 75.071, 217.468, 0.04104, 26707),
        (512, 88.483, 260.073, 0.04314, 37308),
        (1024, 133.189, 268.319, 0.05282, 61090),
        (2048, 231.750, 357.190, 0.07806, 107007),
    )
)
"""Resistive memories, 22 nm, smallest first: 1 to 16 MB."""

SRAM = tuple(
    Buffer("SRAM", 8, size * _KB, read, write, leakage, area)
    for size, read, write, leakage, area in (
        (16, 3.057, 0.556, 0.00134, 10031),
        (32, 6.432, 1.315, 0.00270, 20048),
        (64, 6.780, 3.777, 0.00600, 42803),
        (128, 7.931, 2.792, 0.01153, 82032),
        (256, 11.562, 6.424, 0.02306, 164065),
    )
)
"""Static memories, 22 nm, smallest first: 128 KB to 2 MB."""

ACCUMULATORS = (
    Accumulator(16, 0.045, 0.022, 57.673, 6.162),
    Accumulator(32, 0.056, 0.031, 103.422, 11.133),
    Accumulator(64, 0.107, 0.083, 188.714, 22.385),
    Accumulator(128, 0.120, 0.094, 354.138, 44.823),
)
"""Accumulation buffers, 22 nm."""

DDR4 = Dram(80.300, 82.719, 52.800, 3.2e9)
"""Two chips."""
