"""Golden model of the weight stream: what a run reads from the external memory, what it writes where, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .crc32 import crc32

__all__ = ["DAMAGED_WEIGHTS", "FOREIGN_WEIGHTS", "SILENT_MEMORY", "STARVED", "StreamBlock", "read_stream"]

FOREIGN_WEIGHTS, DAMAGED_WEIGHTS, SILENT_MEMORY, STARVED = 5, 6, 7, 8


@dataclass(frozen=True)
class StreamBlock:
    """A block with a right checksum: weight words ``first`` and up, each a list of 32-bit segments, written when ``after`` passes
    have finished."""

    first: int
    words: tuple[tuple[int, ...], ...]
    after: int


def read_stream(memory: Sequence[int], tag: int, segments: int) -> tuple[list[StreamBlock], int]:
    """The blocks up to the last one or to the first with a fault, and the fault's code, 0 if there is none.

    ``memory``: 32-bit words from address 0 on. Word 0 is the tag. A block: address of its first word (16 bits) and its words
    minus one (16 bits); passes (16 bits) and whether it is the last (1 bit); the words, segments in order; the CRC-32 of the bytes
    of all these, least significant byte first. A stream that goes on behind the memory's end is silent.
    """
    if not memory or memory[0] != tag:
        return [], FOREIGN_WEIGHTS if memory else SILENT_MEMORY
    blocks: list[StreamBlock] = []
    place = 1
    while place + 2 <= len(memory):
        head, more = memory[place : place + 2]
        count = (head >> 16) + 1
        end = place + 2 + count * segments
        if end >= len(memory):
            break
        data = memory[place + 2 : end]
        if crc32(b"".join(word.to_bytes(4, "little") for word in memory[place:end])) != memory[end]:
            return blocks, DAMAGED_WEIGHTS
        words = tuple(tuple(data[index : index + segments]) for index in range(0, len(data), segments))
        blocks.append(StreamBlock(head & 0xFFFF, words, more & 0xFFFF))
        place = end + 1
        if more >> 16 & 1:
            return blocks, 0
    return blocks, SILENT_MEMORY
