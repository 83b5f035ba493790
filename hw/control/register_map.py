"""The core's address space as the host sees it: regions, registers, status codes. One source for RTL and host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Amaranth's enumerations as a type checker understands them
    import enum
else:
    from amaranth.lib import enum

__all__ = ["ADDRESS_WIDTH", "MAGIC", "BootStatus", "CoreError", "Region", "Register", "StatusBit", "Status", "region_address"]

ADDRESS_WIDTH = 28
"""Bits of a word address; a word is 32 bits. The top 4 bits select the region."""

MAGIC = 0x4D414357
"""Value of ``Register.MAGIC``: the letters MACW."""


class Region(enum.Enum, shape=4):
    """Top 4 bits of the address.

    FEATURES: ``(address << bank_bits | bank) << segment_bits | segment``, little-endian segments of a word.
    WEIGHTS: ``word << segment_bits | segment``; TAPS: ``tap << segment_bits | segment``; PROGRAM: the 32-bit word.
    Words in the gaps of sizes that are not powers of two read as 0 and ignore writes, so bursts run through them.
    Only REGISTERS, FEATURES and STREAM can be read; the other regions answer a read with ``Status.WRITE_ONLY``.
    STREAM: ``StreamRegister``; only where streams are attached to the core (hw/bus/axi_stream.py).
    EXTERNAL: the 32-bit word of the external memory; only in engines with streaming.
    """

    REGISTERS = 0
    PROGRAM = 1
    TAPS = 2
    WEIGHTS = 4
    FEATURES = 5
    STREAM = 6
    EXTERNAL = 7


class Register(enum.Enum, shape=4):
    """Registers, one 32-bit word each."""

    #: read: the constant MAGIC
    MAGIC = 0
    #: read: PROGRAM_FORMAT
    FORMAT = 1
    #: read: identity, low half
    IDENTITY_LOW = 2
    #: read: identity, high half
    IDENTITY_HIGH = 3
    #: write: 1 starts the program at its first layer, 2 goes on after a pause, 4 stops as soon as the layer is done, 8 gives
    #: the run up at once
    CONTROL = 4
    #: read and write: layers to run before the engine pauses; 0 means all
    LIMIT = 5
    #: read: see StatusBit
    STATUS = 6
    #: read: cycles from start to done, pauses not counted
    CYCLES = 7
    #: read: cycles in which the step generator waited, modulo 2**24
    STALLS = 8
    #: read and write: 8 bits without function, for the bring-up
    SCRATCH = 9
    #: read: clock frequency in Hz that the board top was built for; 0 if unknown
    CLOCK = 10
    #: read: see BootStatus; only in designs that boot from flash, ``Status.ADDRESS`` elsewhere
    BOOT = 11
    #: read: 32-bit words read from the external memory since start; this and the next only in engines with streaming
    EXTERNAL_WORDS = 12
    #: read: cycles since start in which a pass waited for weights from the external memory
    EXTERNAL_STALLS = 13
    #: read: 32-bit words of maps written to the external memory since start; only in engines with spilling
    EXTERNAL_WRITTEN = 14


class StatusBit(enum.IntEnum):
    """Positions in ``Register.STATUS``. MEMORY: the external memory is ready; 0 without one. Bits 8..15 hold a CoreError, bits 16..31 the layers finished since start."""

    BUSY = 0
    DONE = 1
    PAUSED = 2
    MEMORY = 3
    ERROR = 8
    LAYERS = 16


class CoreError(enum.IntEnum):
    """Why a program ended early."""

    NONE = 0
    #: the program image carries the identity of another engine, or there is none
    FOREIGN_PROGRAM = 1
    #: a descriptor has an operation that this engine does not have
    ILLEGAL_OPERATION = 2
    #: the program ran past the program memory without an end
    RUNAWAY_PROGRAM = 3
    #: a descriptor has a number of which this engine has fewer: a pixel, byte, lane, product or format
    ILLEGAL_NUMBER = 4
    #: the external memory does not hold the weight stream of this program
    FOREIGN_WEIGHTS = 5
    #: a block of the weight stream has a wrong checksum
    DAMAGED_WEIGHTS = 6
    #: the external memory has not answered
    SILENT_MEMORY = 7
    #: a pass waits for weights that will never come
    STARVED = 8
    #: rows of a map that come back from the external memory have a wrong checksum
    DAMAGED_MAP = 9


class BootStatus(enum.IntEnum):
    """Value of ``Register.BOOT``: how loading the image in the flash ended. A core whose boot failed can be loaded by the
    host."""

    #: not ended yet
    LOADING = 0
    #: everything was loaded and every checksum was right
    LOADED = 1
    #: there is no image at the place in the flash, or no flash answers
    NO_IMAGE = 2
    #: the image was made for an engine with another identity; nothing was loaded
    OTHER_ENGINE = 3
    #: a checksum was wrong or a part is missing; the program cannot be run
    DAMAGED = 4


class StreamRegister(enum.Enum, shape=4):
    """Registers of the region STREAM: where packets of features go and come from. Written between packets only."""

    #: read and write: offset in FEATURES of a packet's first word
    INPUT_FIRST = 0
    #: read and write: offset of its last word
    INPUT_LAST = 1
    #: read and write: offset in FEATURES of an answer's first word
    OUTPUT_FIRST = 2
    #: read and write: offset of its last word
    OUTPUT_LAST = 3
    #: read: see StreamStatusBit
    STREAM_STATUS = 4


class StreamStatusBit(enum.IntEnum):
    """Positions in ``StreamRegister.STREAM_STATUS``. Bits 0..7 hold the StreamOutcome of the last packet, bits 16..31 the
    packets answered since reset, modulo ``2**16``."""

    OUTCOME = 0
    BUSY = 8
    PACKETS = 16


class StreamOutcome(enum.IntEnum):
    """What became of a packet."""

    DONE = 0
    #: the packet ended before its last word: nothing was run
    EARLY_LAST = 1
    #: the packet did not end with its last word: nothing was run
    LATE_LAST = 2
    #: the core refused an access
    REFUSED = 3
    #: the program stopped before its end, or with an error
    STOPPED = 4


class Status(enum.Enum, shape=4):
    """Outcome of one access to the core port."""

    OK = 0
    #: no such address
    ADDRESS = 1
    #: the memory belongs to the running engine
    BUSY = 2
    #: a region or register that cannot be written
    READ_ONLY = 3
    #: a region that cannot be read
    WRITE_ONLY = 4


def region_address(region: Region, offset: int) -> int:
    """Word address of ``offset`` in ``region``."""
    if not 0 <= offset < 1 << (ADDRESS_WIDTH - 4):
        raise ValueError(f"offset {offset} lies outside a region of {1 << (ADDRESS_WIDTH - 4)} words")
    return region.value << (ADDRESS_WIDTH - 4) | offset
