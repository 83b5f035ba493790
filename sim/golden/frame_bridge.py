"""The frame bridge without time: bytes in, accesses in order, bytes out."""

from __future__ import annotations

import struct
from typing import Protocol

from ...hw.bus.frame import (
    ANSWER_HEADER,
    ANSWER_MAGIC,
    REQUEST_HEADER,
    REQUEST_MAGIC,
    FrameStatus,
    Operation,
)
from .crc32 import crc32

__all__ = ["Core", "FrameBridgeModel"]

_OUT_OF_RANGE = 1
_ADDRESS_BITS = 28


class Core(Protocol):
    """What is behind the core port."""

    def read(self, address: int) -> tuple[int, int]:
        """Status and data of a word."""
        ...

    def write(self, address: int, data: int) -> int:
        """Status of the write of a word."""
        ...


class FrameBridgeModel:
    """Golden model of ``FrameBridge``; ``feed`` and ``pause`` tell what the line did."""

    def __init__(self, payload_words: int, core: Core) -> None:
        self.payload_words = payload_words
        self.core = core
        self.pending = b""
        self.last: tuple[int, int] | None = None  # sequence, checksum of the last executed frame, if it was a WRITE
        self.last_answer = (0, 0)

    def pause(self) -> None:
        """A silence longer than the bridge's timeout."""
        self.pending = b""

    def feed(self, data: bytes) -> bytes:
        """Answers to ``data`` that follows what was fed before."""
        self.pending += data
        answers = b""
        while True:
            at = self.pending.find(REQUEST_MAGIC)
            if at < 0:
                self.pending = self.pending[-1:] if self.pending[-1:] == REQUEST_MAGIC[:1] else b""
                return answers
            self.pending = self.pending[at:]
            body = self.pending[2:]
            if len(body) < 8:
                return answers
            operation, _, _, count = struct.unpack(REQUEST_HEADER, body[:8])
            size = 8 + (4 * count if operation == Operation.WRITE else 0)
            if len(body) < size + 4:
                return answers
            answers += self._answer(body[:size], int.from_bytes(body[size : size + 4], "little"))
            self.pending = body[size + 4 :]

    def _answer(self, body: bytes, checksum: int) -> bytes:
        operation, sequence, address, count = struct.unpack(REQUEST_HEADER, body[:8])
        words: list[int] = []
        if crc32(body) != checksum:
            status, answered = int(FrameStatus.BAD_CHECKSUM), 0
        elif operation not in (1, 2, 3):
            status, answered = int(FrameStatus.UNKNOWN_OPERATION), 0
        elif count > self.payload_words or (count == 0 and operation != Operation.PING):
            status, answered = int(FrameStatus.BAD_COUNT), self.payload_words
        elif operation == Operation.WRITE and self.last == (sequence, checksum):
            status, answered = self.last_answer
        else:
            self.last = (sequence, checksum) if operation == Operation.WRITE else None
            status, answered, words = self._execute(operation, address, count, body[8:])
            self.last_answer = (status, answered)
        body = struct.pack(ANSWER_HEADER, status, sequence, answered)
        if status == 0:
            body += b"".join(word.to_bytes(4, "little") for word in words)
        return ANSWER_MAGIC + body + crc32(body).to_bytes(4, "little")

    def _execute(self, operation: int, address: int, count: int, payload: bytes) -> tuple[int, int, list[int]]:
        words: list[int] = []
        if operation == Operation.PING:
            return 0, count, words
        if address >> _ADDRESS_BITS:
            return _OUT_OF_RANGE, 0, words
        for index in range(count):
            at = (address + index) % (1 << _ADDRESS_BITS)
            if operation == Operation.WRITE:
                status = self.core.write(at, int.from_bytes(payload[4 * index : 4 * index + 4], "little"))
            else:
                status, word = self.core.read(at)
                words.append(word)
            if status:
                return status, index, words
        return 0, count, words
