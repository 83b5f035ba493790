"""The host's end of the link: reads and writes words of the core over a serial line or SPI."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...hw.bus.frame import MAXIMUM_COUNT, PAUSE_SECONDS, WORD_BYTES, FrameStatus, Operation
from ...hw.control.register_map import ADDRESS_WIDTH, MAGIC, Region, Register, Status, region_address
from ...hw.errors import CheckFailed, UserError
from .frame import Answer, AnswerParser, encode_request
from .line import BoardSilent, Line, LinkLost, PortAbsent, PortBusy, PortDenied, open_line

__all__ = [
    "AccessRefused",
    "BoardSilent",
    "Link",
    "LinkLost",
    "NotMacaw",
    "PortAbsent",
    "PortBusy",
    "PortDenied",
    "Progress",
    "TransferCorrupted",
]

Progress = Callable[[int, int], None]
"""Called with the words done and the words in all."""

_REGION: Any = Region  # a type checker takes the members of an Amaranth enumeration for integers
_REGISTER: Any = Register
_MAGIC_ADDRESS = region_address(_REGION.REGISTERS, _REGISTER.MAGIC.value)
_ANSWER_BYTES = 10
_QUIET_SECONDS = 3 * PAUSE_SECONDS  # ends any frame in the bridge


class NotMacaw(UserError):
    """Something answers, but not a Macaw bridge and core."""


class TransferCorrupted(CheckFailed):
    """Data arrived broken in spite of repetition."""


class AccessRefused(CheckFailed):
    """The core refused an access.

    Attributes
    ----------
    status : Status
    address : int
        The first word that was refused.
    """

    def __init__(self, message: str, *, status: Status, address: int) -> None:
        super().__init__(message)
        self.status = status
        self.address = address


@dataclass
class _Frame:
    operation: Operation
    address: int = 0
    count: int = 0
    payload: NDArray[np.uint32] | None = None
    sequence: int = -1
    data: bytes = b""
    answer: Answer | None = field(default=None)


class Link:
    """Connection to one board; a context manager that opens the port on entry and closes it on exit.

    On entry the bridge is asked for the size of its buffer and the core for its magic number.

    A write that fits into one frame is executed exactly once, even if it must be repeated. Words of a longer write can
    be written more than once, always with the same value.

    Parameters
    ----------
    port : str or Line
        Device of the serial port, as ``/dev/ttyUSB0``, or of a simulated board, or of an SPI bus, as ``/dev/spidev0.0``; or
        the line itself.
    rate : int
        Bits a second of the serial line (300 to 12,000,000; a simulated board ignores it), or Hz of the SPI clock. Not used
        where the line itself is given.
    timeout : float
        Seconds without progress after which unanswered frames are sent again. A simulated board may need more.
    retries : int, 0..100
        Repetitions without progress before a transfer is given up.
    window : int, 1..16
        Frames in flight. The bridge's queue must hold as many READ requests (14 bytes each). USB bridges collect bytes for
        up to 16 ms or until they have 62: seven answers to WRITE frames fill a packet, so the line never rests with more
        than that many in flight.

    Raises PortAbsent, PortDenied, PortBusy, BoardSilent or NotMacaw on entry; LinkLost at any time.
    """

    def __init__(
        self, port: str | Line, rate: int = 1_000_000, *, timeout: float = 1.0, retries: int = 3, window: int = 16
    ) -> None:
        if not timeout > 0:
            raise UserError(f"The timeout of {port} must be a positive number of seconds, not {timeout!r}.")
        if not 0 <= retries <= 100:
            raise UserError(f"The retries of {port} must be from 0 to 100, not {retries!r}.")
        if not 1 <= window <= 16:
            raise UserError(f"The window of {port} must be from 1 to 16 frames, not {window!r}.")
        self.line = open_line(port, rate, send_seconds=timeout + 2.0) if isinstance(port, str) else port
        self.port = self.line.port
        self.timeout = timeout
        self.retries = retries
        self.window = window
        #: words of the bridge's buffer; known after entry
        self.payload_words = 0
        #: frames sent again since entry
        self.repetitions = 0
        self._parser = AnswerParser(self.line.idle)
        self._sequence = random.randrange(256)

    # Opening and closing

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the port and greet the board; see the class for errors."""
        self.line.open()
        self.payload_words = 0
        self.repetitions = 0
        self._parser.reset()
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the port; nothing happens if it is closed."""
        self.line.close()

    def _greet(self) -> None:
        frame = _Frame(Operation.PING, count=MAXIMUM_COUNT)
        try:
            self._exchange([frame])
        except TransferCorrupted as error:
            raise NotMacaw(self._not_macaw("what it sends are no Macaw frames")) from error
        assert frame.answer is not None
        if frame.answer.status == FrameStatus.DONE:
            self.payload_words = MAXIMUM_COUNT
        elif frame.answer.status == FrameStatus.BAD_COUNT and frame.answer.count > 0:
            self.payload_words = frame.answer.count
        else:
            raise NotMacaw(self._not_macaw(f"it answers a PING with status {frame.answer.status:#x}"))
        try:
            magic = int(self.read(_MAGIC_ADDRESS, 1)[0])
        except AccessRefused as error:
            raise NotMacaw(self._not_macaw("its magic number cannot be read")) from error
        if magic != MAGIC:
            raise NotMacaw(self._not_macaw(f"its magic number is {magic:#010x} and not {MAGIC:#010x}"))

    def _not_macaw(self, reason: str) -> str:
        return (
            f"The device at {self.port} is no Macaw accelerator at {self.line.rate} ({reason}): program the board, or "
            "name the right port and rate."
        )

    # Transfers

    def ping(self, count: int = 0) -> float:
        """Seconds from a PING to its answer. ``count`` is echoed; at most ``payload_words``."""
        begin = time.monotonic()
        self._exchange([_Frame(Operation.PING, count=count)])
        return time.monotonic() - begin

    def read(self, address: int, count: int, progress: Progress | None = None) -> NDArray[np.uint32]:
        """The ``count`` words from word address ``address`` on.

        Raises AccessRefused, TransferCorrupted, BoardSilent or LinkLost.
        """
        self._check_range(address, count)
        frames = [
            _Frame(Operation.READ, address + at, min(self.payload_words, count - at))
            for at in range(0, count, self.payload_words)
        ]
        self._exchange(frames, progress)
        words = [frame.answer.words for frame in frames if frame.answer is not None]
        return np.concatenate(words) if words else np.zeros(0, np.uint32)

    def write(self, address: int, words: ArrayLike, progress: Progress | None = None) -> None:
        """Write ``words`` (integers from 0 to 2**32 - 1) to ``address`` and the addresses after it.

        Returns when the board has confirmed all of them. Raises AccessRefused (the words before the refused one are
        written), TransferCorrupted, BoardSilent or LinkLost.
        """
        values = np.atleast_1d(np.asarray(words))
        if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
            raise UserError("Words to write must be a list of integers.")
        if values.size and not (0 <= int(values.min()) and int(values.max()) < 1 << 32):
            raise UserError("Words to write must be from 0 to 2**32 - 1; take negative numbers modulo 2**32.")
        values = values.astype(np.uint32)
        self._check_range(address, len(values))
        frames = [
            _Frame(Operation.WRITE, address + at, payload=values[at : at + self.payload_words])
            for at in range(0, len(values), self.payload_words)
        ]
        for frame in frames:
            assert frame.payload is not None
            frame.count = len(frame.payload)
        self._exchange(frames, progress)

    def _check_range(self, address: int, count: int) -> None:
        if address < 0 or count < 0 or address + count > 1 << ADDRESS_WIDTH:
            raise UserError(
                f"{count} words at address {address:#x} lie outside the {1 << ADDRESS_WIDTH} words of the core."
            )

    def _exchange(self, frames: Sequence[_Frame], progress: Progress | None = None) -> None:
        """Send ``frames``, ``window`` at a time, until each has its answer; a core's refusal raises AccessRefused.

        After a time without progress, when an answer is missing, or says that a checksum was wrong, the line is left
        quiet until the bridge is between frames; then what is in flight is sent again under its sequence numbers.
        """
        total = sum(frame.count for frame in frames)
        done = 0
        waiting = deque(frames)
        flight: dict[int, _Frame] = {}
        failures, failures_in_all = 0, 0
        failure_limit = max(self.retries, len(frames) // 4)
        corrupted = False
        seen = self._parser.unused
        if progress is not None:
            progress(0, total)
        deadline = 0.0
        while waiting or flight:
            while waiting and len(flight) < self.window:
                frame = waiting.popleft()
                self._prepare(frame)
                flight[frame.sequence] = frame
                self.line.send(frame.data)
                deadline = self._deadline(flight)
            repeat = False
            for answer in self._parser.feed(self.line.receive(_missing(flight))):
                if answer.status == FrameStatus.BAD_CHECKSUM:
                    corrupted = repeat = True
                    continue
                if answer.sequence not in flight:
                    continue
                repeat = repeat or answer.sequence != next(iter(flight))  # answers come in order: one is missing
                answered_frame = flight.pop(answer.sequence)
                answered_frame.answer = answer
                self._judge(answered_frame)
                done += answered_frame.count
                failures = 0
                deadline = self._deadline(flight)
                if progress is not None:
                    progress(done, total)
            if flight and (repeat or time.monotonic() > deadline):
                failures += 1
                failures_in_all += 1
                corrupted = corrupted or self._parser.unused > seen
                if failures > self.retries or failures_in_all > failure_limit:
                    raise self._given_up(done, total, corrupted=corrupted)
                self._wait_for_quiet()
                self.repetitions += len(flight)
                for frame in flight.values():
                    self.line.send(frame.data)
                deadline = self._deadline(flight)
                corrupted, seen = False, self._parser.unused

    def _prepare(self, frame: _Frame) -> None:
        self._sequence = (self._sequence + 1) % 256
        frame.sequence = self._sequence
        frame.data = encode_request(
            frame.operation, sequence=frame.sequence, address=frame.address, count=frame.count, payload=frame.payload
        )
        self._parser.expect(frame.sequence, payload=frame.operation is Operation.READ)

    def _deadline(self, flight: dict[int, _Frame]) -> float:
        line_bytes = sum(len(frame.data) for frame in flight.values()) + _missing(flight)
        return time.monotonic() + self.timeout + line_bytes * self.line.byte_seconds

    def _judge(self, frame: _Frame) -> None:
        answer = frame.answer
        assert answer is not None
        if frame.operation is Operation.PING or answer.status == FrameStatus.DONE:
            return
        try:
            status = Status(answer.status)
        except ValueError:
            raise CheckFailed(
                f"The bridge at {self.port} refused a frame with status {answer.status:#x}: host and gateware are of "
                "different versions; build the board's bitstream again."
            ) from None
        address = frame.address + answer.count
        meaning = {
            Status.ADDRESS: "there is no such address in this engine",
            Status.BUSY: "the engine is running; wait until it is done",
            Status.READ_ONLY: "it cannot be written",
            Status.WRITE_ONLY: "it cannot be read",
        }[status]
        raise AccessRefused(
            f"The core refused the {frame.operation.name.lower()} of word {address:#09x}: {meaning}.",
            status=status,
            address=address,
        )

    def _given_up(self, done: int, total: int, *, corrupted: bool) -> UserError | CheckFailed:
        if corrupted:
            return TransferCorrupted(
                f"Data on {self.port} at {self.line.rate} arrived corrupted {self.retries + 1} times in a row, after "
                f"{done} of {total} words: check the cable and the rate, or lower it."
            )
        if self.payload_words:
            return BoardSilent(
                f"The board at {self.port} stopped answering after {done} of {total} words: reset or reprogram it and "
                "start again."
            )
        return BoardSilent(
            f"The board at {self.port} does not answer at {self.line.rate}: check that it is powered and programmed, "
            "that this is its port and that the rate is the gateware's."
        )

    def _wait_for_quiet(self) -> None:
        """Let answers on their way arrive and pass, then drop what is incomplete."""
        end = time.monotonic() + _QUIET_SECONDS
        limit = time.monotonic() + _QUIET_SECONDS + self.timeout
        while time.monotonic() < min(end, limit):
            if self.line.receive(0).strip(self.line.idle):
                end = time.monotonic() + _QUIET_SECONDS
        self._parser.reset()


def _missing(flight: dict[int, _Frame]) -> int:
    """Bytes of the answers to come."""
    return sum(
        _ANSWER_BYTES + (WORD_BYTES * frame.count if frame.operation is Operation.READ else 0) for frame in flight.values()
    )
