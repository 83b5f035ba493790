"""The memory tester as a program sees it: start it, wait, read what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..hw.control.memory_test_map import MEMORY_TEST_FORMAT, MemoryTestRegister, MemoryTestStatus
from ..hw.control.register_map import MAGIC, Region, region_address
from ..hw.errors import CheckFailed, UserError
from ..hw.memory.engine_memories import MemoryShape
from ..hw.memory.memory_tester import BACKGROUNDS, PASSES, memory_list_identity
from .accelerator import Transport

__all__ = ["MemoryTest", "MemoryTestResult", "WrongWord"]

_REGISTER: Any = MemoryTestRegister  # a type checker takes the members of an Amaranth enumeration for integers
_REGION: Any = Region


@dataclass(frozen=True, kw_only=True)
class WrongWord:
    """The first word that was read wrong: 32 bits of it, from bit ``32 * segment`` on."""

    memory: str
    address: int
    segment: int
    expected: int
    got: int
    walk: int

    def __str__(self) -> str:
        bits = ", ".join(str(32 * self.segment + bit) for bit in range(32) if (self.expected ^ self.got) >> bit & 1)
        return (
            f"{self.memory}, address {self.address:#x}: bits {32 * self.segment} to {32 * self.segment + 31} should be "
            f"{self.expected:08x} and are {self.got:08x} (wrong: {bits}; pass {self.walk + 1} of {len(PASSES)}, background "
            f"{BACKGROUNDS[PASSES[self.walk].background]})"
        )


@dataclass(frozen=True, kw_only=True)
class MemoryTestResult:
    """``failures``: 32-bit words read wrong. ``cycles``: what the test took."""

    failures: int
    first: WrongWord | None
    cycles: int


class MemoryTest:
    """A memory tester behind a transport.

    Parameters
    ----------
    transport : Transport
    shapes : sequence of MemoryShape
        The memories that it is expected to test.
    timeout : float
        Seconds that the test may take.
    """

    def __init__(self, transport: Transport, shapes: Sequence[MemoryShape], *, timeout: float = 60.0) -> None:
        self.transport = transport
        self.shapes = tuple(shapes)
        self.timeout = timeout

    def _get(self, register: Any) -> int:
        return int(self.transport.read(region_address(_REGION.REGISTERS, register.value), 1)[0])

    def check_identity(self) -> None:
        """Raises UserError unless the tester of these memories is there."""
        identity = self._get(_REGISTER.IDENTITY_HIGH) << 32 | self._get(_REGISTER.IDENTITY_LOW)
        if self._get(_REGISTER.MAGIC) != MAGIC or self._get(_REGISTER.FORMAT) != MEMORY_TEST_FORMAT:
            raise UserError("What answers there is not the memory tester: program the board with memory_test's bitstream.")
        if identity != memory_list_identity(self.shapes):
            raise UserError(
                f"The memory tester there has identity {identity:016x} and is that of another build: program the board with "
                "this build's."
            )

    def run(self, progress: Callable[[int], None] = lambda memory: None) -> MemoryTestResult:
        """Test all memories; ``progress`` hears which one it is at. Raises CheckFailed if it takes too long."""
        self.transport.write(region_address(_REGION.REGISTERS, _REGISTER.CONTROL.value), [1])
        deadline = time.monotonic() + self.timeout
        while (status := self._get(_REGISTER.STATUS)) >> MemoryTestStatus.BUSY & 1:
            progress(status >> MemoryTestStatus.MEMORY)
            if time.monotonic() > deadline:
                raise CheckFailed(f"The memory test was not done after {self.timeout:g} s.")
        if not status >> MemoryTestStatus.DONE & 1:
            raise CheckFailed("The memory test stopped before its end.")
        first = None
        if status >> MemoryTestStatus.FAILED & 1:
            first = WrongWord(
                memory=self.shapes[self._get(_REGISTER.MEMORY)].name, address=self._get(_REGISTER.ADDRESS),
                segment=self._get(_REGISTER.SEGMENT), expected=self._get(_REGISTER.EXPECTED), got=self._get(_REGISTER.GOT),
                walk=self._get(_REGISTER.PASS),
            )  # fmt: skip
        return MemoryTestResult(failures=self._get(_REGISTER.FAILURES), first=first, cycles=self._get(_REGISTER.CYCLES))

    def cycles(self) -> int:
        """What the test must take (:class:`~macaw.hw.memory.memory_tester.MemoryTester`, Timing)."""
        return sum(
            2 + shape.depth * (2 + (6 + shape.segments if walk.read else 0) + (1 if walk.write else 0))
            for shape in self.shapes for walk in PASSES
        )  # fmt: skip
