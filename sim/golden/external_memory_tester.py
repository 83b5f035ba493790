"""Golden model of the test of an external memory: every burst and every comparison, over a memory in Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_

from .memory_tester import MemoryModel

__all__ = ["ExternalTestOutcome", "TestBurst", "background", "external_bursts", "external_memory_tester", "wrong_words"]

_MARCH = ("up w0", "up r0 w1", "up r1 w0", "down r0 w1", "down r1 w0", "up r0")
_BACKGROUNDS = 7
_LONG = 64


@dataclass(frozen=True, kw_only=True)
class TestBurst:
    """``words`` words from ``address`` on are written, or read and compared; ``values`` is what they are or should be."""

    walk: int
    address: int
    write: bool
    values: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ExternalTestOutcome:
    """``first`` is (address, pass, expected, got) of the first wrong word, None without one; ``bits``: wrong in any word."""

    failures: int
    bits: int
    first: tuple[int, int, int, int] | None


def background(number: int, address: int) -> int:
    """The word that background ``number`` has at ``address``."""
    if number == 0:
        return 0
    if number == 6:
        return address | (~address & 0xFF) << 24
    return sum(1 << bit for bit in range(32) if (bit >> number - 1 & 1) ^ (number == 1 and address & 1))


@cache
def external_bursts(words: int) -> tuple[TestBurst, ...]:
    """What is done to the first ``words`` words, in order."""
    bursts: list[TestBurst] = []
    walk = 0
    for number in range(_BACKGROUNDS):
        size = _LONG if number else 1
        for steps in _MARCH:
            direction, *operations = steps.split()
            starts = range(0, words, size)
            for start in starts if direction == "up" else reversed(starts):
                for operation in operations:
                    inverse = 0xFFFFFFFF if operation[1] == "1" else 0
                    values = tuple(background(number, start + index) ^ inverse for index in range(size))
                    bursts.append(TestBurst(walk=walk, address=start, write=operation[0] == "w", values=values))
            walk += 1
    return tuple(bursts)


def wrong_words(memory: MemoryModel, words: int) -> Iterator[tuple[int, int, int, int]]:
    """Address, pass, expected and found of each wrong word of a test, in order."""
    for burst in external_bursts(words):
        for address, value in enumerate(burst.values, burst.address):
            if burst.write:
                memory.write(address, value, 1)
            elif (got := memory.read(address)) != value:
                yield address, burst.walk, value, got


def external_memory_tester(memory: MemoryModel, words: int) -> ExternalTestOutcome:
    """Test the first ``words`` words; see :class:`macaw.hw.external.external_memory_tester.ExternalMemoryTester`."""
    wrong = list(wrong_words(memory, words))
    bits = reduce(or_, (expected ^ got for _, _, expected, got in wrong), 0)
    return ExternalTestOutcome(failures=len(wrong), bits=bits, first=wrong[0] if wrong else None)
