"""When a memory on AXI4 takes and answers the bursts of an AxiMaster: a memory of a given latency, rate and depth of its queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .external_memory import Burst, MemoryReads

__all__ = ["AxiMemory"]


@dataclass(frozen=True, kw_only=True)
class AxiMemory:
    """A memory behind an :class:`~macaw.hw.bus.axi_master.AxiMaster`, in cycles of the bus's clock.

    ``words``: size in 32-bit words. ``latency``, 1 or more: from the address to the first word. ``interval``, 1 or more: from word
    to word. ``gap``: cycles more between the last word of a burst and the first of the next. ``ahead``: bursts that it takes
    before their words have all been sent. ``response``, 1 or more: from the last word of a burst that writes, and its
    address, to the answer; what is written is taken at once.
    """

    words: int
    latency: int
    interval: int = 1
    gap: int = 0
    ahead: int = 4
    response: int = 1

    def __post_init__(self) -> None:
        if min(self.latency, self.interval, self.ahead, self.response) < 1 or self.gap < 0:
            raise ValueError(f"a memory on AXI cannot be {self}")

    @property
    def word_cycles(self) -> float:
        """Of bursts of 8 words, which the weight prefetcher asks for."""
        length = 8 * self.interval + self.gap
        return max(length, (self.latency + 7 * self.interval + 1) / self.ahead) / 8

    def restart(self, cycle: int) -> MemoryReads:
        """The master knows of no restart: nothing changes."""
        return _AxiReads(self)


class _AxiReads:
    def __init__(self, memory: AxiMemory) -> None:
        self.memory = memory
        self.free = 0  # the master's next offer
        self.may_begin = 0  # the memory's next word
        self.ends: deque[int] = deque(maxlen=memory.ahead)  # the last words of the bursts under way

    def burst(self, asked: int, address: int, words: int) -> Burst:
        memory = self.memory
        taken = max(asked, self.free)
        if len(self.ends) == memory.ahead:
            taken = max(taken, self.ends[0] + 1)
        first = max(taken + memory.latency, self.may_begin)
        last = first + (words - 1) * memory.interval
        self.free = taken + 1
        self.may_begin = last + memory.interval + memory.gap
        self.ends.append(last)
        return Burst(taken, first, memory.interval)

    def write(self, asked: int, address: int, words: int, given: int) -> Burst:
        """Waits until all words have been read; the master takes the command with the bus's answer."""
        decided = max(asked, self.free, self.ends[-1] + 1 if self.ends else 0)
        first = max(decided + 1, given)
        taken = first + words - 1 + self.memory.response
        self.free = taken + 1
        return Burst(taken, first, 1)
