"""The core's address space inside a bus's: fewer bits of offset in each region, bytes in the place of words."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Value
from amaranth.utils import bits_for, ceil_log2

from ..config import EngineConfig
from ..control.descriptor import tap_layout
from ..control.register_map import ADDRESS_WIDTH, Region
from ..errors import UserError

__all__ = ["OFFSET_BITS", "AddressWindow", "region_words"]

OFFSET_BITS = ADDRESS_WIDTH - 4
"""Bits of an offset in the core's own address space."""

_REGISTER_WORDS = 16


def region_words(config: EngineConfig) -> dict[Region, int]:
    """Words that each region of an engine has, gaps between segments included."""
    segments = {
        Region.TAPS: -(-tap_layout(config).size // 32),
        Region.WEIGHTS: config.weight_segments,
        Region.FEATURES: config.feature_segments,
    }
    depths = {
        Region.REGISTERS: _REGISTER_WORDS,
        Region.PROGRAM: config.program_depth,
        Region.TAPS: config.tap_depth,
        Region.WEIGHTS: config.weight_depth,
        Region.FEATURES: config.feature_depth << config.bank_bits,
        Region.STREAM: _REGISTER_WORDS,
    }
    return {region: depth << ceil_log2(segments.get(region, 1)) for region, depth in depths.items()}


class AddressWindow:
    """The word address ``region << 24 | offset`` of the core is word ``region << offset_bits | offset`` of the bus.

    With 24 bits of offset both are the same; an engine with small memories needs fewer, and so less of the bus's space.

    Parameters
    ----------
    offset_bits : int, 4..24

    Attributes
    ----------
    word_bits : int
        Bits of a word's address in the window: ``offset_bits + 4``.
    byte_bits : int
        Bits of a byte's address: ``word_bits + 2``; the window has ``2 ** byte_bits`` bytes.

    Raises UserError for ``offset_bits`` out of range.
    """

    def __init__(self, offset_bits: int = OFFSET_BITS) -> None:
        if not isinstance(offset_bits, int) or not 4 <= offset_bits <= OFFSET_BITS:
            raise UserError(f"The offset of an address window must have from 4 to {OFFSET_BITS} bits, not {offset_bits!r}.")
        self.offset_bits = offset_bits
        self.word_bits = offset_bits + 4
        self.byte_bits = self.word_bits + 2

    @classmethod
    def of(cls, config: EngineConfig) -> AddressWindow:
        """The smallest window that holds all regions of an engine: 4 KiB or more, the least that AXI interconnects map."""
        return cls(max(6, bits_for(max(region_words(config).values()) - 1)))

    def core_address(self, word: Value) -> Value:
        """The core's word address of a word of the window."""
        return Cat(word[: self.offset_bits], Const(0, OFFSET_BITS - self.offset_bits), word[self.offset_bits : self.word_bits])

    def byte_address(self, region: Region, offset: int = 0) -> int:
        """Where word ``offset`` of ``region`` begins, in bytes from the window's start."""
        if not 0 <= offset < 1 << self.offset_bits:
            raise ValueError(f"offset {offset} lies outside a region of {1 << self.offset_bits} words")
        return (int(region.value) << self.offset_bits | offset) << 2
