"""The weight stream: what lies in the external memory, and how it is read. One source for the RTL, the compiler and the cycle
model.

The stream begins at word 0: its tag, then blocks, one after the other without gaps, filled up with zeros to whole bursts. A
block is two words of head, its weight words (each in 32-bit segments, lowest first, no gaps), and the CRC-32 of all of these.
In an engine with ``spilling`` a block can also say which rows of a map move: six words of head and their CRC-32. Behind the stream
lie the maps: a plane of a map is its rows, a row is the words of its addresses (banks inside, segments innermost), and their CRC-32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amaranth.hdl import unsigned
from amaranth.lib import data

from .memory_port import ADDRESS_BITS

if TYPE_CHECKING:  # Amaranth's enumerations as a type checker understands them
    import enum
else:
    from amaranth.lib import enum

__all__ = ["BLOCK_HEAD", "BURST_BITS", "BURST_WORDS", "MAP_HEAD", "QUEUE_WORDS", "SILENCE", "BlockKind"]

BURST_WORDS = 8
"""32-bit words of each read."""

BURST_BITS = ADDRESS_BITS - (BURST_WORDS - 1).bit_length()
"""Bits of a count of bursts."""

QUEUE_WORDS = 32
"""Words that wait in front of the weight buffer: so many can be on their way."""

SILENCE = 1 << 16
"""Cycles without an awaited word after which the memory counts as silent."""


class BlockKind(enum.Enum, shape=2):
    """What a block of the stream does."""

    #: its words go to the weight buffer
    WEIGHTS = 0
    #: rows of a map come from the external memory into the feature buffer
    LOAD = 1
    #: rows of a map go from the feature buffer to the external memory
    STORE = 2


BLOCK_HEAD = data.StructLayout(
    {
        "first": unsigned(16),
        "count_last": unsigned(16),
        "after": unsigned(16),
        "last": unsigned(1),
        "kind": BlockKind,
        "rows_last": unsigned(12),
        "unused": unsigned(1),
    }
)
"""First two words of a block, lowest bit first: address of its first word in the buffer, its weight words or planes minus one,
passes (descriptors) that must have finished before it may be written, whether it is the last one, its kind, and rows minus one."""

MAP_HEAD = data.StructLayout(
    {
        "plane_step": unsigned(16),
        "line_last": unsigned(16),
        "external_first": unsigned(32),
        "external_step": unsigned(32),
        "plane_words": unsigned(32),
    }
)
"""What follows where rows of a map move: addresses of the feature buffer between two planes, addresses of a row minus one, the
external word of the first row of the first plane, external words between two planes, and external words of the rows of a plane,
checksums included; of the last three the lower 24 bits."""
