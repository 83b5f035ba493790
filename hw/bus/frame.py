"""Frames of the host link: one definition for the bridge in hardware and the host.

Request (little-endian throughout)::

    4D C7 | operation | sequence | address, 4 bytes | count, 2 bytes | payload, 4 * count bytes | CRC-32, 4 bytes

Answer::

    6D C7 | status | sequence | count, 2 bytes | payload, 4 * count bytes | CRC-32, 4 bytes

``address`` is a word address, ``count`` is in 32-bit words; only a WRITE request and the OK answer to a READ have a
payload. The checksum (``zlib.crc32``) covers everything between the magic bytes and itself.

The answer's status is 0 (done), a status of the core port (1..15: the word that ended the frame; ``count`` words before
it were done) or a FrameStatus. The answer to a PING repeats its count. The answer with BAD_COUNT has the greatest legal
count in ``count``, so a PING with count 65535 asks for it. Other answers that refuse a frame have count 0.

Rules of the bridge: a WRITE changes nothing before its checksum has been verified. A WRITE that has the sequence number
and the checksum of the frame answered before, with nothing but refused frames between them, is that frame again: it gets
the same answer and is not executed again. So a host repeats an unanswered WRITE with the same sequence number, gives
each new frame the next one, and begins with a PING. After a pause inside a frame the bridge drops it and looks for the
magic bytes again.
"""

from __future__ import annotations

import enum

__all__ = [
    "ANSWER_HEADER",
    "ANSWER_MAGIC",
    "CHECKSUM_BYTES",
    "MAGIC_BYTES",
    "MAXIMUM_COUNT",
    "PAUSE_SECONDS",
    "REQUEST_HEADER",
    "REQUEST_MAGIC",
    "WORD_BYTES",
    "FrameStatus",
    "Operation",
]

REQUEST_MAGIC = b"\x4d\xc7"
"""First bytes of a request."""

ANSWER_MAGIC = b"\x6d\xc7"
"""First bytes of an answer."""

REQUEST_HEADER = "<BBIH"
"""Operation, sequence, address, count of a request, in the notation of :mod:`struct`."""

ANSWER_HEADER = "<BBH"
"""Status, sequence, count of an answer, in the notation of :mod:`struct`."""

MAGIC_BYTES = 2
CHECKSUM_BYTES = 4
WORD_BYTES = 4

MAXIMUM_COUNT = 0xFFFF
"""Greatest count that a header can hold."""


PAUSE_SECONDS = 0.1
"""Pause inside a frame after which a board's bridge drops it; the bridge may round it up to less than twice as much."""


class Operation(enum.IntEnum):
    """What a request asks for."""

    #: read ``count`` words from ``address`` on
    READ = 1
    #: write the payload to ``address`` and the words after it
    WRITE = 2
    #: nothing; the answer repeats the count
    PING = 3


class FrameStatus(enum.IntEnum):
    """Status of an answer; values between DONE and BAD_CHECKSUM are those of the core port."""

    #: everything was done
    DONE = 0x00
    #: the checksum does not fit; the operation and the sequence number may be wrong, too
    BAD_CHECKSUM = 0x10
    #: no such operation
    UNKNOWN_OPERATION = 0x11
    #: READ or WRITE of no words, or count greater than the bridge's buffer
    BAD_COUNT = 0x12
