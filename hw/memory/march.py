"""March tests: which walks over a memory find its faults, and what they fill it with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BACKGROUNDS", "BITS", "PASSES", "Pass", "march_c"]

BACKGROUNDS = ("zeros", "bit 0", "bit 1", "bit 2", "bit 3", "bit 4", "segment bit 0", "segment bit 1", "address")
"""What the passes fill a memory on the chip with, by name.

Bit i of segment s of the word at address a is: 0; bit k of i (with bit 0 also inverted at odd addresses, a checkerboard);
bit k of s; bit i of a for i < 16, inverted bit i - 16 of a above.
"""

BITS = (0xAAAAAAAA, 0xCCCCCCCC, 0xF0F0F0F0, 0xFF00FF00, 0xFFFF0000)
"""The backgrounds "bit 0" to "bit 4" at even addresses."""


@dataclass(frozen=True)
class Pass:
    """One walk over all addresses of a memory.

    Attributes
    ----------
    background : int
        Index into the backgrounds: b at each place.
    down : bool
        From the last address to the first.
    read : str
        What each word must be: "b", "~b", "even" (~b in granules of even number, b in the others); "": nothing is read.
    write : str
        What it becomes then: "b", "~b"; "": nothing is written.
    granules : str
        Which are written: "all", "even", "odd".
    """

    background: int
    down: bool
    read: str
    write: str
    granules: str = "all"


def march_c(background: int) -> list[Pass]:
    """March C-."""
    return [
        Pass(background, False, "", "b"),
        Pass(background, False, "b", "~b"), Pass(background, False, "~b", "b"),
        Pass(background, True, "b", "~b"), Pass(background, True, "~b", "b"),
        Pass(background, False, "b", ""),
    ]  # fmt: skip


PASSES = (
    *march_c(0),
    Pass(0, False, "", "~b", "even"), Pass(0, False, "even", "b", "odd"), Pass(0, False, "even", ""),
    *(walk for background in range(1, len(BACKGROUNDS)) for walk in march_c(background)),
)  # fmt: skip
"""Of a memory on the chip: March C- over each background, and over the first one the write enables. Source: van de Goor, Using
March Tests to Test SRAMs, IEEE Design & Test 1993; word-wide memories with all pairs of bits in different states: van de Goor and
Tlili, March Tests for Word-Oriented Memories, DATE 1998."""
