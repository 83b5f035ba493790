"""Golden model of the memory tester: the same walks over a memory in Python, healthy or with a fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Fault", "MemoryModel", "MemoryTestOutcome", "memory_tester"]

_MARCH = ("up w0", "up r0 w1", "up r1 w0", "down r0 w1", "down r1 w0", "up r0")
_ENABLES = ("up e1", "up re o0", "up re")
_WALKS = [(0, walk) for walk in _MARCH + _ENABLES] + [(background, walk) for background in range(1, 9) for walk in _MARCH]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a memory.

    ``kind``: "stuck": ``bit`` at ``address`` is always ``value``. "slow": it never changes from ``1 - value`` to ``value``.
    "alias": accesses to ``address`` go to ``other``. "coupled": when ``bit`` at ``address`` becomes ``value``, ``other_bit`` at
    ``other`` becomes 1 - ``value``, also where both are written at once. "enable": granule ``bit`` is written whenever any
    is. "dead": nothing is written into ``address``. "lines": the bits of all addresses that are set in ``other`` are ``value``. "short":
    in what is written, bits ``bit`` and ``other_bit`` are both their AND. "pins": the bits that are set in ``other`` read as ``value``.
    """

    kind: str
    address: int = 0
    bit: int = 0
    value: int = 0
    other: int = 0
    other_bit: int = 0


class MemoryModel:
    """``depth`` words of ``width`` bits, written in granules of ``granularity`` bits; with at most one fault."""

    def __init__(self, width: int, depth: int, granularity: int, fault: Fault | None = None) -> None:
        self.width, self.depth, self.granularity = width, depth, granularity
        self.fault = fault
        self.words = [0] * depth

    def _place(self, address: int) -> int:
        fault = self.fault
        if fault is not None and fault.kind == "lines":
            return address & ~fault.other | fault.value * fault.other
        return fault.other if fault is not None and fault.kind == "alias" and address == fault.address else address

    def read(self, address: int) -> int:
        """The word."""
        word = self.words[self._place(address)]
        fault = self.fault
        if fault is not None and fault.kind == "pins":
            word = word & ~fault.other | fault.value * fault.other
        if fault is not None and fault.kind == "stuck" and address == fault.address:
            word = word & ~(1 << fault.bit) | fault.value << fault.bit
        return word

    def write(self, address: int, data: int, granules: int) -> None:
        """Write the granules whose bit is set."""
        fault = self.fault
        at = self._place(address)
        if fault is not None and fault.kind == "dead" and address == fault.address:
            return
        if fault is not None and fault.kind == "enable" and granules:
            granules |= 1 << fault.bit
        if fault is not None and fault.kind == "short" and not data >> fault.bit & data >> fault.other_bit & 1:
            data &= ~(1 << fault.bit | 1 << fault.other_bit)
        mask = sum(1 << bit for bit in range(self.width) if granules >> bit // self.granularity & 1)
        before = self.words[at]
        after = before & ~mask | data & mask
        if fault is not None and fault.kind == "slow" and address == fault.address:
            bit = 1 << fault.bit
            if (before >> fault.bit & 1, after >> fault.bit & 1) == (1 - fault.value, fault.value):
                after ^= bit
        self.words[at] = after
        if fault is not None and fault.kind == "coupled" and address == fault.address:
            if (before >> fault.bit & 1, after >> fault.bit & 1) == (1 - fault.value, fault.value):
                victim = 1 << fault.other_bit
                self.words[fault.other] = self.words[fault.other] & ~victim | (1 - fault.value) * victim


@dataclass(frozen=True, kw_only=True)
class MemoryTestOutcome:
    """``first`` is (memory, address, segment, pass, expected, got) of the first wrong 32 bits, None without one."""

    failures: int
    first: tuple[int, int, int, int, int, int] | None
    cycles: int


def _background(number: int, address: int, bit: int) -> int:
    """Bit ``bit`` of the word at ``address``."""
    segment, place = divmod(bit, 32)
    if number == 0:
        return 0
    if number == 1:
        return place & 1 ^ address & 1
    if number <= 5:
        return place >> number - 1 & 1
    if number <= 7:
        return segment >> number - 6 & 1
    return address >> place & 1 if place < 16 else 1 - (address >> place - 16 & 1)


def memory_tester(memories: Sequence[MemoryModel]) -> MemoryTestOutcome:
    """Walk over all memories; see :class:`macaw.hw.memory.memory_tester.MemoryTester`."""
    failures, cycles = 0, 0
    first = None
    for index, memory in enumerate(memories):
        for walk, address, got, expected in _reads(memory):
            for segment in range(-(-memory.width // 32)):
                wanted, found = (word >> 32 * segment & 0xFFFFFFFF for word in (expected, got))
                if wanted != found:
                    failures += 1
                    first = first or (index, address, segment, walk, wanted, found)
        segments = -(-memory.width // 32)
        for _, steps in _WALKS:
            reads, writes = " r" in steps, any(f" {kind}" in steps for kind in "weo")
            cycles += 2 + memory.depth * (2 + (6 + segments if reads else 0) + (1 if writes else 0))
    return MemoryTestOutcome(failures=failures, first=first, cycles=cycles)


def _reads(memory: MemoryModel) -> Iterator[tuple[int, int, int, int]]:
    """Pass, address, word read and word expected of every read, in order; writes on the way."""
    full = (1 << memory.width) - 1
    granules = -(-memory.width // memory.granularity)
    evens = sum(1 << granule for granule in range(0, granules, 2))
    even_bits = sum(1 << bit for bit in range(memory.width) if bit // memory.granularity % 2 == 0)
    for walk, (number, steps) in enumerate(_WALKS):
        direction, *operations = steps.split()
        addresses = range(memory.depth) if direction == "up" else range(memory.depth - 1, -1, -1)
        for address in addresses:
            word = sum(_background(number, address, bit) << bit for bit in range(memory.width))
            for step in operations:
                operation, data = step[0], step[1]
                if operation == "r":
                    change = even_bits if data == "e" else full * int(data)
                    yield walk, address, memory.read(address), word ^ change
                else:
                    which = {"w": (1 << granules) - 1, "e": evens, "o": (1 << granules) - 1 ^ evens}[operation]
                    memory.write(address, word ^ full * int(data), which)
