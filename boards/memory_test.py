"""The memory tester as a program sees it: start it, wait, read what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..hw.control.memory_test_map import MEMORY_TEST_FORMAT, MemoryTestRegister, MemoryTestStatus
from ..hw.control.register_map import MAGIC, Region, region_address
from ..hw.errors import CheckFailed, UserError
from ..hw.external.external_memory_tester import EXTERNAL_BACKGROUNDS, EXTERNAL_PASSES, ExternalShape
from ..hw.memory.engine_memories import MemoryShape
from ..hw.memory.march import BACKGROUNDS, PASSES
from ..hw.memory.memory_tester import memory_list_identity
from .accelerator import Transport

__all__ = ["ExternalResult", "MemoryTest", "MemoryTestResult", "WrongWord", "on_data_lines"]

_REGISTER: Any = MemoryTestRegister  # a type checker takes the members of an Amaranth enumeration for integers
_REGION: Any = Region


@dataclass(frozen=True, kw_only=True)
class WrongWord:
    """The first word that was read wrong: 32 bits of it, from bit ``32 * segment`` on; ``outside``: of the external memory."""

    memory: str
    address: int
    segment: int
    expected: int
    got: int
    walk: int
    outside: bool = False

    def __str__(self) -> str:
        passes, backgrounds = (EXTERNAL_PASSES, EXTERNAL_BACKGROUNDS) if self.outside else (PASSES, BACKGROUNDS)
        bits = ", ".join(str(32 * self.segment + bit) for bit in range(32) if (self.expected ^ self.got) >> bit & 1)
        return (
            f"{self.memory}, address {self.address:#x}: bits {32 * self.segment} to {32 * self.segment + 31} should be "
            f"{self.expected:08x} and are {self.got:08x} (wrong: {bits}; pass {self.walk + 1} of {len(passes)}, background "
            f"{backgrounds[passes[self.walk].background]})"
        )


def on_data_lines(bits: int) -> str:
    """On which data lines of a memory of 16 bits the bits ``bits`` of 32-bit words lie, if they are few: a line is a hint at a pin or
    its solder joint, a byte at a chip's mask or power pin."""
    lines = [line for line in range(16) if (bits | bits >> 16) >> line & 1]
    if len(lines) == 1:
        return f"all on data line DQ{lines[0]}"
    if len(lines) <= 4:
        return "all on data lines " + ", ".join(f"DQ{line}" for line in lines)
    if lines[-1] < 8 or lines[0] >= 8:
        return f"all in the {'lower' if lines[-1] < 8 else 'upper'} byte of the data lines"
    return "on lines of both bytes"


@dataclass(frozen=True, kw_only=True)
class ExternalResult:
    """``failures``: words of the external memory read wrong; ``bits``: wrong in any of these; ``silent``: it did not answer.
    ``cycles``: what its part of the test took."""

    failures: int
    bits: int
    silent: bool
    cycles: int


@dataclass(frozen=True, kw_only=True)
class MemoryTestResult:
    """``failures``: 32-bit words read wrong, ``first`` the first of them. ``cycles``: what the test took. These include the external
    memory's, of which ``external`` tells; None without one."""

    failures: int
    first: WrongWord | None
    cycles: int
    external: ExternalResult | None = None


class MemoryTest:
    """A memory tester behind a transport.

    Parameters
    ----------
    transport : Transport
    shapes : sequence of MemoryShape
        The memories that it is expected to test.
    external : ExternalShape, optional
        The external memory that follows them.
    timeout : float
        Seconds that the test may take.
    """

    def __init__(
        self, transport: Transport, shapes: Sequence[MemoryShape], *, external: ExternalShape | None = None, timeout: float = 60.0
    ) -> None:
        self.transport = transport
        self.shapes = tuple(shapes)
        self.external = external
        self.timeout = timeout

    def _get(self, register: Any) -> int:
        return int(self.transport.read(region_address(_REGION.REGISTERS, register.value), 1)[0])

    def check_identity(self) -> None:
        """Raises UserError unless the tester of these memories is there."""
        identity = self._get(_REGISTER.IDENTITY_HIGH) << 32 | self._get(_REGISTER.IDENTITY_LOW)
        if self._get(_REGISTER.MAGIC) != MAGIC or self._get(_REGISTER.FORMAT) != MEMORY_TEST_FORMAT:
            raise UserError("What answers there is not the memory tester: program the board with memory_test's bitstream.")
        if identity != memory_list_identity(self.shapes, self.external):
            raise UserError(
                f"The memory tester there has identity {identity:016x} and is that of another build: program the board with "
                "this build's."
            )

    def clock_hz(self) -> int:
        """Clock that the tester was built for."""
        return self._get(_REGISTER.CLOCK)

    def run(self, progress: Callable[[int, int], None] = lambda memory, walk: None) -> MemoryTestResult:
        """Test all memories; ``progress`` hears which one it is at, and at which pass of the external one. Raises CheckFailed if it
        takes too long."""
        self.transport.write(region_address(_REGION.REGISTERS, _REGISTER.CONTROL.value), [1])
        deadline = time.monotonic() + self.timeout
        while (status := self._get(_REGISTER.STATUS)) >> MemoryTestStatus.BUSY & 1:
            progress(status >> MemoryTestStatus.MEMORY & 0x1FF, status >> MemoryTestStatus.PASS)
            if time.monotonic() > deadline:
                raise CheckFailed(f"The memory test was not done after {self.timeout:g} s.")
        if not status >> MemoryTestStatus.DONE & 1:
            raise CheckFailed("The memory test stopped before its end.")
        failures = self._get(_REGISTER.FAILURES)
        first = None
        if failures:
            number = self._get(_REGISTER.MEMORY)
            outside = self.external if number == len(self.shapes) else None
            first = WrongWord(
                memory=self.shapes[number].name if outside is None else outside.name, address=self._get(_REGISTER.ADDRESS),
                segment=self._get(_REGISTER.SEGMENT), expected=self._get(_REGISTER.EXPECTED), got=self._get(_REGISTER.GOT),
                walk=self._get(_REGISTER.PASS), outside=outside is not None,
            )  # fmt: skip
        external = None
        if self.external is not None:
            external = ExternalResult(
                failures=self._get(_REGISTER.EXTERNAL_FAILURES), bits=self._get(_REGISTER.EXTERNAL_BITS),
                silent=bool(status >> MemoryTestStatus.SILENT & 1), cycles=self._get(_REGISTER.EXTERNAL_CYCLES),
            )  # fmt: skip
        return MemoryTestResult(failures=failures, first=first, cycles=self._get(_REGISTER.CYCLES), external=external)

    def cycles(self) -> int:
        """What the test must take (:class:`~macaw.hw.memory.memory_tester.MemoryTester`, Timing), without the external memory's
        part."""
        return (0 if self.external is None else 2) + sum(
            2 + shape.depth * (2 + (6 + shape.segments if walk.read else 0) + (1 if walk.write else 0))
            for shape in self.shapes for walk in PASSES
        )  # fmt: skip
