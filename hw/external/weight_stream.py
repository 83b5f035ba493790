"""The weight stream: what lies in the external memory, and how it is read. One source for the RTL, the compiler and the cycle
model.

The stream begins at word 0: its tag, then blocks, one after the other without gaps, filled up with zeros to whole bursts. A
block is two words of head, its weight words (each in 32-bit segments, lowest first, no gaps), and the CRC-32 of all of these.
"""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data

from .memory_port import ADDRESS_BITS

__all__ = ["BLOCK_HEAD", "BURST_BITS", "BURST_WORDS", "QUEUE_WORDS", "SILENCE"]

BURST_WORDS = 8
"""32-bit words of each read."""

BURST_BITS = ADDRESS_BITS - (BURST_WORDS - 1).bit_length()
"""Bits of a count of bursts."""

QUEUE_WORDS = 32
"""Words that wait in front of the weight buffer: so many can be on their way."""

SILENCE = 1 << 16
"""Cycles without an awaited word after which the memory counts as silent."""

BLOCK_HEAD = data.StructLayout(
    {
        "weight_first": unsigned(16),
        "words_last": unsigned(16),
        "after": unsigned(16),
        "last": unsigned(1),
        "unused": unsigned(15),
    }
)
"""Head of a block, lowest bit first: address of its first word in the weight buffer, its weight words minus one, passes
(descriptors) that must have finished before it may be written, and whether it is the last one."""
