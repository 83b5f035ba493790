"""Registers of the memory tester, in the region of the engine's registers; the first five, STATUS, CYCLES and CLOCK have the
engine's places."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Amaranth's enumerations as a type checker understands them
    import enum
else:
    from amaranth.lib import enum

__all__ = ["MEMORY_TEST_FORMAT", "MemoryTestRegister", "MemoryTestStatus"]

MEMORY_TEST_FORMAT = 0x4D540002
"""Value of the register FORMAT, which is the program format in an engine: the letters MT, and a version."""


class MemoryTestRegister(enum.Enum, shape=5):
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
    #: read: cycles from start to end, without those in which the external memory was not initialized
    CYCLES = 7
    #: read: number of the first memory with a wrong word; the external memory follows those on the chip
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
    #: read: of the external memory, 32-bit words that were read wrong since start; 0 without one, as the next two
    EXTERNAL_FAILURES = 15
    #: read: bits that were wrong in any of these
    EXTERNAL_BITS = 16
    #: read: of CYCLES, those of the external memory
    EXTERNAL_CYCLES = 17


class MemoryTestStatus(enum.IntEnum):
    """Positions in ``MemoryTestRegister.STATUS``. SILENT: the external memory did not answer. Bits 8 to 16: the memory under test;
    from bit 24 on: the pass of the external memory."""

    BUSY = 0
    DONE = 1
    FAILED = 2
    SILENT = 3
    MEMORY = 8
    PASS = 24
