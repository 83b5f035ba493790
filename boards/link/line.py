"""Bytes to a board and back: a serial port, an SPI bus of Linux, or the SPI link of a simulated board."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import serial

from ...hw.bus.spi_slave import IDLE_BYTE
from ...hw.errors import CheckFailed, UserError

__all__ = [
    "LINE_BITS",
    "BoardSilent",
    "Line",
    "LinkLost",
    "PortAbsent",
    "PortBusy",
    "PortDenied",
    "SerialLine",
    "SimulatedSpiLine",
    "SpiLine",
    "open_line",
]

_TICK_SECONDS = 0.02
_SPI_PREFIX = "/dev/spidev"

LINE_BITS = {"uart": 10, "spi": 8}
"""Bits on the line for a byte, by the kind of link."""

# Linux, include/uapi/linux/spi/spidev.h
_SPI_MESSAGE = 0x40206B00
_SPI_MODE = 0x40016B01
_SPI_TRANSFER = "<QQIIHBBBBBB"
_SPI_LONGEST = 4096  # what the driver takes unless its parameter bufsiz says otherwise
_SPI_POLL = 64


class PortAbsent(UserError):
    """There is no such port."""


class PortDenied(UserError):
    """The user may not open the port."""


class PortBusy(UserError):
    """Another program uses the port."""


class BoardSilent(UserError):
    """Nothing is answered."""


class LinkLost(UserError):
    """The port vanished while it was open."""


class Line(ABC):
    """A way to move bytes to and from one board.

    Attributes
    ----------
    port : str
        What was opened, for messages.
    rate : str
        How fast, for messages.
    byte_seconds : float
        Time of one byte.
    idle : bytes
        Bytes that mean nothing between two answers; a serial line has none.
    """

    port: str
    rate: str
    byte_seconds: float
    idle: bytes = b""

    @abstractmethod
    def open(self) -> None:
        """Open the port and drop what has arrived. Raises PortAbsent, PortDenied or PortBusy."""

    @abstractmethod
    def close(self) -> None:
        """Close the port; nothing happens if it is closed."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send one frame. Raises BoardSilent if it is not taken in time, LinkLost if the port is gone."""

    @abstractmethod
    def receive(self, wanted: int) -> bytes:
        """What has arrived; waits a short time (20 ms) for the first byte. ``wanted`` bytes are still missing, which an
        SPI master must ask for. Raises LinkLost if the port is gone."""

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except (UserError, CheckFailed):
            raise
        except OSError as error:  # SerialException is one
            raise LinkLost(
                f"The connection to {self.port} broke: the cable was unplugged or the board lost its power; plug it in "
                "and start again."
            ) from error

    def _not_opened(self, error: Exception, what: str, group: str, examples: str) -> UserError:
        """What a user can do about a port that cannot be opened."""
        code, text = getattr(error, "errno", None), str(error)
        if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            return PortAbsent(
                f"The {what} {self.port} does not exist: plug the board in, or name another port (Linux lists them as "
                f"{examples})."
            )
        if code in (errno.EACCES, errno.EPERM):
            return PortDenied(
                f"The {what} {self.port} may not be opened by this user: join the group {group} with "
                f"`sudo usermod -aG {group} $USER` and log in again."
            )
        if code == errno.ENOTTY or "Inappropriate ioctl" in text:
            return PortAbsent(f"{self.port} is no {what}: name the board's (Linux lists them as {examples}).")
        if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
            return PortBusy(f"The {what} {self.port} is in use by another program: close it (a terminal, another run).")
        return PortAbsent(f"The {what} {self.port} cannot be opened at {self.rate}: {text}; name another port or rate.")


class SerialLine(Line):
    """A serial port, 8 data bits, no parity, 1 stop bit; also the pseudo-terminal of a simulated board.

    Parameters
    ----------
    port : str
        As ``/dev/ttyUSB0``.
    baud : int, 300..12_000_000
        Bits a second; a pseudo-terminal ignores it.
    send_seconds : float
        For which the port may take no data.
    """

    def __init__(self, port: str, baud: int, *, send_seconds: float) -> None:
        if not isinstance(baud, int) or not 300 <= baud <= 12_000_000:
            raise UserError(f"The baud rate of {port} must be an integer from 300 to 12000000, not {baud!r}.")
        self.port = port
        self.baud = baud
        self.rate = f"{baud} baud"
        self.byte_seconds = 10 / baud
        self._send_seconds = send_seconds
        self._serial: serial.Serial | None = None

    def open(self) -> None:
        try:
            self._serial = serial.Serial(
                self.port, self.baud, timeout=_TICK_SECONDS, write_timeout=self._send_seconds, exclusive=True
            )
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise self._not_opened(error, "serial port", "dialout", "/dev/ttyUSB* and /dev/ttyACM*") from error
        try:
            with self._losing():
                self._serial.reset_input_buffer()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._serial is not None:
            try:
                self._serial.close()
            except (OSError, serial.SerialException):
                pass
            self._serial = None

    def send(self, data: bytes) -> None:
        with self._losing():
            try:
                self._port().write(data)
            except serial.SerialTimeoutException:
                raise BoardSilent(
                    f"The serial port {self.port} takes no data: unplug the board, plug it in and start again."
                ) from None

    def receive(self, wanted: int) -> bytes:
        with self._losing():
            port = self._port()
            data: bytes = port.read(max(1, port.in_waiting))
            return data

    def _port(self) -> serial.Serial:
        if self._serial is None:
            raise LinkLost(f"The link to {self.port} is closed: use it inside its `with` block.")
        return self._serial


class _SpiMaster(Line):
    """An SPI master: bytes come while others are sent, and only then."""

    idle = bytes([IDLE_BYTE, 0xFF])  # 0xFF is what a line without a board shows

    def __init__(self, port: str, clock_hz: int) -> None:
        if not isinstance(clock_hz, int) or not 1000 <= clock_hz <= 100_000_000:
            raise UserError(f"The SPI clock of {port} must be an integer from 1000 to 100000000 Hz, not {clock_hz!r}.")
        self.port = port
        self.clock_hz = clock_hz
        self.rate = f"{clock_hz} Hz"
        self.byte_seconds = 8 / clock_hz
        self._arrived = bytearray()
        self._file = -1

    @abstractmethod
    def _transfer(self, data: bytes) -> bytes:
        """One transfer: the board's bytes while ``data`` is sent."""

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def send(self, data: bytes) -> None:
        self._arrived += self._exchange(data)

    def receive(self, wanted: int) -> bytes:
        if not self._arrived:
            data = self._exchange(bytes([IDLE_BYTE]) * min(max(wanted, _SPI_POLL), _SPI_LONGEST))
            if not data.strip(self.idle):
                time.sleep(min(_TICK_SECONDS, _SPI_POLL * self.byte_seconds))
            self._arrived += data
        arrived = bytes(self._arrived)
        self._arrived.clear()
        return arrived

    def _exchange(self, data: bytes) -> bytes:
        if self._file < 0:
            raise LinkLost(f"The link to {self.port} is closed: use it inside its `with` block.")
        with self._losing():
            return self._transfer(data)

    def _open_file(self, flags: int) -> None:
        self._arrived.clear()
        try:
            self._file = os.open(self.port, flags)
            self._prepare()
        except OSError as error:
            self.close()
            raise self._not_opened(error, "SPI port", "spi", "/dev/spidev*") from error

    def _prepare(self) -> None:
        """What the open file needs."""


class SpiLine(_SpiMaster):
    """An SPI bus of Linux, ``/dev/spidevB.C``: mode 0, 8 bits, most significant first, selection active low.

    Parameters
    ----------
    port : str
    clock_hz : int, 1000..100_000_000
        Of the SPI clock: at most a fifth of the board's clock.
    """

    def open(self) -> None:
        self._open_file(os.O_RDWR)

    def _prepare(self) -> None:
        fcntl.ioctl(self._file, _SPI_MODE, struct.pack("B", 0))
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _transfer(self, data: bytes) -> bytes:
        if len(data) > _SPI_LONGEST:
            raise CheckFailed(f"An SPI transfer has at most {_SPI_LONGEST} bytes, not {len(data)}.")
        sent = ctypes.create_string_buffer(data, len(data))
        received = ctypes.create_string_buffer(len(data))
        transfer = struct.pack(
            _SPI_TRANSFER, ctypes.addressof(sent), ctypes.addressof(received), len(data), self.clock_hz, 0, 8, 0, 0, 0, 0, 0
        )
        fcntl.ioctl(self._file, _SPI_MESSAGE, transfer)
        return received.raw


class SimulatedSpiLine(_SpiMaster):
    """The SPI link of a :class:`~macaw.sim.simulated_board.SimulatedBoard`: transfers through its pseudo-terminal.

    Parameters
    ----------
    port : str
    clock_hz : int
        For the time that a byte takes.
    timeout : float
        Seconds after which an unfinished transfer means that the board is gone.
    """

    def __init__(self, port: str, clock_hz: int, *, timeout: float = 60.0) -> None:
        super().__init__(port, clock_hz)
        self._timeout = timeout

    def open(self) -> None:
        self._open_file(os.O_RDWR | os.O_NOCTTY)

    def _transfer(self, data: bytes) -> bytes:
        os.write(self._file, len(data).to_bytes(4, "little") + data)
        received = b""
        end = time.monotonic() + self._timeout
        while len(received) < len(data):
            if not select.select([self._file], [], [], max(0.0, end - time.monotonic()))[0]:
                raise BoardSilent(f"The simulated board at {self.port} does not finish a transfer: start it again.")
            part = os.read(self._file, len(data) - len(received))
            if not part:
                raise OSError(errno.EIO, "the pseudo-terminal was closed")
            received += part
        return received


def open_line(port: str, rate: int, *, send_seconds: float) -> Line:
    """The line for a port's name, not opened: an SPI bus if it begins with /dev/spidev, else a serial port.

    ``rate`` is in baud or in Hz.
    """
    if port.startswith(_SPI_PREFIX):
        return SpiLine(port, rate)
    return SerialLine(port, rate, send_seconds=send_seconds)
