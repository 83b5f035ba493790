"""How many cycles the test of an external memory takes, exactly."""

from __future__ import annotations

from functools import cache

from ...hw.external.external_memory_tester import EXTERNAL_PASSES, REGION, burst_words
from .external_memory import ExternalMemory

__all__ = ["external_test_cycles"]


def external_test_cycles(memory: ExternalMemory, words: int, region: int = REGION) -> int:
    """Cycles of an :class:`~macaw.hw.external.external_memory_tester.ExternalMemoryTester` of the first ``words`` words."""

    @cache
    def cycles(count: int, burst: int, down: bool, reads: bool, writes: bool) -> int:
        """Of ``count`` words of a region, from its restart to the cycle in front of the next."""
        bursts = memory.restart(0)
        asked = 1
        for address in range(count - burst, -1, -burst) if down else range(0, count, burst):
            if reads:
                read = bursts.burst(asked, address, burst)
                asked = read.first + read.step * (burst - 1) + 1
            if writes:
                write = bursts.write(asked, address, burst, asked + 1)
                asked = write.first + write.step * (burst - 1) + 1
            asked += 1
        return asked

    whole, rest = divmod(words, region)
    total = 1
    for walk in EXTERNAL_PASSES:
        kind = burst_words(walk.background), walk.down, bool(walk.read), bool(walk.write)
        total += 2 + whole * cycles(region, *kind) + (cycles(rest, *kind) if rest else 0)
    return total
