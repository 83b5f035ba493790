"""Frames of the host link on the host's side: requests to bytes, bytes to answers."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...hw.bus.frame import (
    ANSWER_HEADER,
    ANSWER_MAGIC,
    CHECKSUM_BYTES,
    MAGIC_BYTES,
    MAXIMUM_COUNT,
    REQUEST_HEADER,
    REQUEST_MAGIC,
    WORD_BYTES,
    FrameStatus,
    Operation,
)

__all__ = ["Answer", "AnswerParser", "encode_request"]

_ANSWER_HEADER_BYTES = struct.calcsize(ANSWER_HEADER)


def encode_request(
    operation: Operation, *, sequence: int, address: int = 0, count: int = 0, payload: NDArray[np.uint32] | None = None
) -> bytes:
    """Bytes of a request. ``payload`` is for WRITE only and then gives the count. Raises ValueError for a bad field."""
    if payload is not None:
        count = len(payload)
    if (payload is not None) != (operation is Operation.WRITE) or not 0 <= count <= MAXIMUM_COUNT:
        raise ValueError(f"a {operation.name} of {count} words cannot be a frame")
    body = struct.pack(REQUEST_HEADER, operation, sequence, address, count)
    if payload is not None:
        body += payload.astype("<u4").tobytes()
    return REQUEST_MAGIC + body + zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little")


@dataclass(frozen=True)
class Answer:
    """One answer whose checksum was right."""

    status: int
    sequence: int
    count: int
    words: NDArray[np.uint32]


class AnswerParser:
    """Finds answers in the bytes that arrive.

    Whether an OK answer has a payload follows from the request, so the parser is told by :meth:`expect`.

    Parameters
    ----------
    idle : bytes
        Values of bytes that mean nothing in front of an answer.

    Attributes
    ----------
    rejected : int
        Bytes dropped so far because they belong to no answer with a right checksum; idle ones do not count.
    """

    def __init__(self, idle: bytes = b"") -> None:
        self.rejected = 0
        self._idle = idle
        self._buffer = bytearray()
        self._payload = [False] * 256

    @property
    def unused(self) -> int:
        """Bytes fed so far that have not become part of an answer."""
        return self.rejected + len(self._buffer)

    def expect(self, sequence: int, *, payload: bool) -> None:
        """The OK answer to ``sequence`` has a payload, or has none."""
        self._payload[sequence] = payload

    def reset(self) -> None:
        """Drop what has arrived of an answer."""
        self.rejected += len(self._buffer)
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that ``data`` completes."""
        self._buffer += data
        answers: list[Answer] = []
        while True:
            at = self._buffer.find(ANSWER_MAGIC)
            if at < 0:
                keep = 1 if self._buffer[-1:] == ANSWER_MAGIC[:1] else 0
                self._drop(len(self._buffer) - keep)
                return answers
            self._drop(at)
            if len(self._buffer) < MAGIC_BYTES + _ANSWER_HEADER_BYTES:
                return answers
            status, sequence, count = struct.unpack_from(ANSWER_HEADER, self._buffer, MAGIC_BYTES)
            words = count if status == FrameStatus.DONE and self._payload[sequence] else 0
            end = MAGIC_BYTES + _ANSWER_HEADER_BYTES + WORD_BYTES * words
            if len(self._buffer) < end + CHECKSUM_BYTES:
                return answers
            body = bytes(self._buffer[MAGIC_BYTES:end])
            checksum = int.from_bytes(self._buffer[end : end + CHECKSUM_BYTES], "little")
            if zlib.crc32(body) != checksum:
                self._drop(1)
                continue
            payload = np.frombuffer(body, dtype="<u4", offset=_ANSWER_HEADER_BYTES).astype(np.uint32)
            answers.append(Answer(status, sequence, count, payload))
            del self._buffer[: end + CHECKSUM_BYTES]

    def _drop(self, count: int) -> None:
        self.rejected += count - sum(self._buffer.count(value, 0, count) for value in self._idle)
        del self._buffer[:count]
