"""Registers of the memory tester, in the region of the engine's registers; the first five, STATUS, CYCLES and CLOCK have the
engine's places."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Amaranth's enumerations as a type checker understands them
    import enum
else:
    from amaranth.lib import enum

__all__ = ["MEMORY_TEST_FORMAT", "MemoryTestRegister", "MemoryTestStatus"]

MEMORY_TEST_FORMAT = 0x4D540001
"""Value of the register FORMAT, which is the program format in an engine: the letters MT, and a version."""


class MemoryTestRegister(enum.Enum, shape=4):
    """Registers, one 32-bit word each."""

    #: read: the constant MAGIC
    MAGIC = 0
    #: read: MEMORY_TEST_FORMAT
    FORMAT = 1
    #: read: identity of the list of memories, low half
    IDENTITY_LOW = 2
    #: read: identity, high half
    IDENTITY_HIGH = 3
    #: write: 1 starts the test
    CONTROL = 4
    #: read: 32-bit words that were read wrong since start
    FAILURES = 5
    #: read: see MemoryTestStatus
    STATUS = 6
    #: read: cycles from start to end
    CYCLES = 7
    #: read: number of the first memory with a wrong word
    MEMORY = 8
    #: read: address of the first wrong word
    ADDRESS = 9
    #: read: clock frequency in Hz that the design was built for
    CLOCK = 10
    #: read: which 32 bits of the first wrong word
    SEGMENT = 11
    #: read: what these bits should have been
    EXPECTED = 12
    #: read: what they were
    GOT = 13
    #: read: number of the pass that read them
    PASS = 14


class MemoryTestStatus(enum.IntEnum):
    """Positions in ``MemoryTestRegister.STATUS``. From bit 8 on: the memory under test."""

    BUSY = 0
    DONE = 1
    FAILED = 2
    MEMORY = 8
