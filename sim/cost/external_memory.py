"""When an external memory takes a burst and when its words come or are taken: the SDRAM controller, cycle by cycle, and an ideal
memory of a given latency and rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...hw.external.sdram_controller import SdramController
from ...hw.external.sdram_timing import SdramCycles

__all__ = ["Burst", "ExternalMemory", "IdealMemory", "MemoryReads", "Sdram"]


@dataclass(frozen=True)
class Burst:
    """A burst's cycles: ``taken``, its command; ``first``, its first word on the port; ``step``, from word to word."""

    taken: int
    first: int
    step: int


class MemoryReads(Protocol):
    """A memory that is asked burst by burst, in order."""

    def burst(self, asked: int, address: int, words: int) -> Burst:
        """A burst that reads whose command is on the port from cycle ``asked`` on."""

    def write(self, asked: int, address: int, words: int, given: int) -> Burst:
        """The same of one that writes; its words are offered from cycle ``given`` on, one a cycle at least."""


class ExternalMemory(Protocol):
    """A memory behind a MemoryPort: its size in 32-bit words, and its behaviour after a restart."""

    @property
    def words(self) -> int:
        """Size."""

    @property
    def word_cycles(self) -> float:
        """About how many cycles a word takes in a long read."""

    def restart(self, cycle: int) -> MemoryReads:
        """Its bursts after ``restart`` in that cycle."""


@dataclass(frozen=True, kw_only=True)
class IdealMemory:
    """Takes the next burst when the one before has been sent; its first word comes ``latency`` cycles after that, then one
    every ``interval`` cycles."""

    words: int
    latency: int
    interval: int

    @property
    def word_cycles(self) -> float:
        """The interval."""
        return self.interval

    def restart(self, cycle: int) -> MemoryReads:
        """Nothing changes."""
        return _IdealReads(self, cycle + 1)


class _IdealReads:
    def __init__(self, memory: IdealMemory, free: int) -> None:
        self.memory, self.free = memory, free

    def burst(self, asked: int, address: int, words: int) -> Burst:
        taken = max(asked, self.free)
        self.free = taken + words * self.memory.interval
        return Burst(taken, taken + self.memory.latency, self.memory.interval)

    def write(self, asked: int, address: int, words: int, given: int) -> Burst:
        taken = max(asked, self.free)
        first = max(taken + 1, given)
        self.free = first + words - 1 + (self.memory.interval > 1)
        return Burst(taken, first, 1)


@dataclass(frozen=True, kw_only=True)
class Sdram:
    """SDRAM behind an :class:`~macaw.hw.external.sdram_controller.SdramController`."""

    cycles: SdramCycles
    pin_delay: int

    @property
    def words(self) -> int:
        """Size in 32-bit words."""
        return self.cycles.words

    @property
    def word_cycles(self) -> float:
        """Two beats, and what rows and refreshes take."""
        times = self.cycles
        row = (times.t_rp + times.t_rcd) / times.row_words
        refresh = (times.t_rp + times.t_rfc + times.t_rcd) / times.interval
        return (2 + row) / (1 - refresh)

    def restart(self, cycle: int) -> MemoryReads:
        """Every row is closed, a refresh interval begins."""
        return _SdramReads(self, cycle)


class _SdramReads:
    """The controller's decisions, each at the first cycle at which it can be made."""

    def __init__(self, memory: Sdram, restart: int) -> None:
        self.times = memory.cycles
        self.latency = SdramController.latency_of(memory.cycles, memory.pin_delay)
        self.free = restart + self.times.settle  # the next decision
        self.due = restart + self.times.interval + 1  # the next refresh
        self.begun = self.free - 1  # the burst before
        self.place = -1  # the open row
        self.may_close = self.may_open = self.may_write = 0

    def burst(self, asked: int, address: int, words: int) -> Burst:
        taken, begun = self._begin(asked, address, words, 0)
        self.may_write = begun + 2 * words + self.times.cas + 2
        return Burst(taken, begun + self.latency, 2)

    def write(self, asked: int, address: int, words: int, given: int) -> Burst:
        taken, begun = self._begin(asked, address, words, max(given, self.may_write))
        self.may_close = max(self.may_close, begun + 2 * words - 1 + self.times.t_wr)
        return Burst(taken, begun, 2)

    def _begin(self, asked: int, address: int, words: int, earliest: int) -> tuple[int, int]:
        """When a command is taken, and when its first word moves, from ``earliest`` on."""
        times = self.times
        taken = max(asked, self.begun + 1)
        known = taken + 2
        place = address % times.words // times.row_words
        while True:
            now = max(self.free, min(known, self.due))
            refresh = self.due <= now
            if self.place >= 0 and (refresh or place != self.place):
                now = self._wait(now, self.may_close, refresh)
                if now:
                    self.free, self.place = now + times.t_rp, -1
            elif refresh:
                self.free = max(now, self.may_open) + times.t_rfc
                self.due += times.interval
            elif self.place < 0:
                now = self._wait(now, self.may_open, refresh)
                if now:
                    self.free, self.place = now + times.t_rcd, place
                    self.may_close, self.may_open = now + times.t_ras, now + times.t_rc
            else:
                now = self._wait(now, earliest, refresh)
                if now:
                    break
        self.begun, self.free = now, now + 2 * words
        return taken, now

    def _wait(self, now: int, allowed: int, refresh: bool) -> int:
        """The cycle in which something allowed from ``allowed`` on is done; 0 if a refresh becomes due before."""
        if not refresh and now < self.due <= allowed:
            self.free = self.due
            return 0
        return max(now, allowed)
