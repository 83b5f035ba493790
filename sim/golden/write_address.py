"""Golden model of the write address generator: the words of each finished pixel, in the order of the drain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PixelWrite", "WordWrite", "write_addresses"]


@dataclass(frozen=True)
class WordWrite:
    """One word: where it lies, and which of the lanes' bytes lie where in it. ``used`` is false if none does."""

    address: int
    bank: int
    step: int
    offset: int
    last_lane: int
    used: bool


@dataclass(frozen=True)
class PixelWrite:
    """One finished pixel of an output group and its words; row and column as in the map."""

    group: int
    row: int
    column: int
    row_end: bool
    map_end: bool
    words: tuple[WordWrite, ...]


def write_addresses(
    p: int,
    m: int,
    lanes: int,
    steps: int,
    *,
    height: int,
    width: int,
    channels: int,
    phases: int,
    base: int,
    plane_words: int,
    first_channel: int,
    end_channel: int,
    bits: int = 8,
) -> Iterator[PixelWrite]:
    """Output groups of ``lanes`` channels from ``first_channel`` to ``end_channel``, row by row; ``steps`` words a pixel.

    Column x of the map has phase ``x mod phases`` and position ``q = x div phases``; it lies in bank ``q mod p`` at
    ``base + word * plane_words + row * line + (x mod phases) * phase + q div p``. Channel c of ``bits`` bits lies in
    byte ``b mod m`` of word ``b div m``, with ``b = c * bits div 8``.
    """
    columns = -(-width // phases)
    phase_words = -(-columns // p)
    line_words = phases * phase_words
    for group, first in enumerate(range(first_channel, end_channel, lanes)):
        begin, end = first * bits // 8, (min(first + lanes, end_channel) - 1) * bits // 8
        for row in range(height):
            for column in range(width):
                position, phase = column // phases, column % phases
                words = []
                for step in range(steps):
                    word = begin // m + step
                    address = base + word * plane_words + row * line_words + phase * phase_words + position // p
                    used = word <= end // m
                    words.append(WordWrite(address, position % p, step, begin % m, end - begin, used))
                ends = column == width - 1
                yield PixelWrite(group, row, column, ends, ends and row == height - 1, tuple(words))
