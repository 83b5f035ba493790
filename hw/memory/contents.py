"""What the engine's memories hold when the device is configured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, SupportsInt

from amaranth.utils import ceil_log2

__all__ = ["Contents", "memory_words", "shared_words"]


class Contents(Protocol):
    """Images of the regions PROGRAM, TAPS and WEIGHTS: 32-bit words from offset 0 on, gaps included."""

    @property
    def program(self) -> Iterable[SupportsInt]: ...

    @property
    def taps(self) -> Iterable[SupportsInt]: ...

    @property
    def weights(self) -> Iterable[SupportsInt]: ...


def memory_words(image: Iterable[SupportsInt], segments: int) -> list[int]:
    """Words of a memory of ``segments`` 32-bit segments, the least significant one first, from the image of its region."""
    pitch = 1 << ceil_log2(segments)
    words = [int(word) for word in image]
    return [
        sum(word << 32 * segment for segment, word in enumerate(words[at : at + segments]))
        for at in range(0, len(words), pitch)
    ]


def shared_words(program: Sequence[int], taps: Sequence[int], depth: int) -> list[int]:
    """Words of the memory that holds both: the program from address 0 up, the taps from the top down."""
    if not program and not taps:
        return []
    size = 1 << ceil_log2(depth)
    words = [*program, *[0] * (size - len(program))]
    for number, tap in enumerate(taps):
        words[size - 1 - number] |= tap
    return words[:depth]
