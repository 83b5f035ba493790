"""Tests of macaw.boards.link.line: an SPI bus of Linux in Python, and ports that vanish."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import pty
import struct
import threading
import tty
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from macaw.boards.link.client import BoardSilent, Link, LinkLost, NotMacaw, PortAbsent, PortBusy, PortDenied
from macaw.boards.link.line import SerialLine, SimulatedSpiLine, SpiLine, open_line
from macaw.hw.control.register_map import MAGIC
from macaw.hw.errors import CheckFailed, UserError
from macaw.sim.golden.frame_bridge import FrameBridgeModel
from macaw.sim.golden.spi_slave import SpiSlaveModel

_MESSAGE, _MODE = 0x40206B00, 0x40016B01


class _Words:
    def __init__(self) -> None:
        self.words = {0: MAGIC}

    def read(self, address: int) -> tuple[int, int]:
        return 0, self.words.get(address, 0)

    def write(self, address: int, data: int) -> int:
        self.words[address] = data
        return 0


class _Bus:
    """What the kernel does with the two requests, and a board of golden models behind it."""

    def __init__(self) -> None:
        self.slave = SpiSlaveModel()
        self.bridge = FrameBridgeModel(16, _Words())
        self.speeds: set[int] = set()
        self.longest = 0
        self.broken = False

    def ioctl(self, file: int, request: int, data: bytes) -> int:
        if self.broken:
            raise OSError(errno.ESHUTDOWN, "gone")
        if request == _MODE:
            assert data == b"\0"
            return 0
        assert request == _MESSAGE
        sent, received, length, speed, _, bits, *_ = struct.unpack("<QQIIHBBBBBB", data)
        assert bits == 8
        self.speeds.add(speed)
        self.longest = max(self.longest, length)
        before = len(self.slave.delivered)
        levels = [byte >> bit & 1 for byte in ctypes.string_at(sent, length) for bit in range(7, -1, -1)]
        heard = self.slave.transfer(levels)
        answer = bytes(int("".join(map(str, heard[at : at + 8])), 2) for at in range(0, len(heard), 8))
        ctypes.memmove(received, answer, length)
        self.slave.queue.extend(self.bridge.feed(self.slave.delivered[before:]))
        return length


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[_Bus, str]:
    bus = _Bus()
    monkeypatch.setattr(fcntl, "ioctl", bus.ioctl)
    port = tmp_path / "spidev0.0"
    port.write_bytes(b"")
    return bus, str(port)


def test_spi(bus: tuple[_Bus, str]) -> None:
    """Answers with many zeros, longer than a transfer that listens; frames in one transfer each."""
    model, port = bus
    words = np.zeros(300, np.uint32)
    words[::7] = 0x6D00C76D
    with Link(SpiLine(port, 4_000_000)) as link:
        link.write(0x20, words)
        assert link.read(0x20, 300).tolist() == words.tolist()
        assert link.repetitions == 0
    assert model.speeds == {4_000_000} and model.longest <= 4096
    assert isinstance(open_line("/dev/spidev0.0", 1_000_000, send_seconds=1.0), SpiLine)
    assert isinstance(open_line("/dev/ttyUSB0", 1_000_000, send_seconds=1.0), SerialLine)


def test_spi_without_a_board(bus: tuple[_Bus, str]) -> None:
    model, port = bus
    model.slave.transfer = lambda levels: [1] * len(levels)  # type: ignore[method-assign]
    with pytest.raises(BoardSilent, match="does not answer at 1000000 Hz"):
        Link(SpiLine(port, 1_000_000), timeout=0.1, retries=1).open()


def test_spi_noise(bus: tuple[_Bus, str]) -> None:
    model, port = bus
    chance = np.random.default_rng(1)
    model.slave.transfer = lambda levels: chance.integers(0, 2, len(levels)).tolist()  # type: ignore[method-assign]
    with pytest.raises(NotMacaw, match="no Macaw frames"):
        Link(SpiLine(port, 1_000_000), timeout=0.1, retries=1).open()


def test_spi_bus_vanishes(bus: tuple[_Bus, str]) -> None:
    model, port = bus
    with pytest.raises(LinkLost, match="cable was unplugged"), Link(SpiLine(port, 1_000_000)) as link:
        model.broken = True
        link.read(0, 4)


def test_spi_rules(bus: tuple[_Bus, str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, port = bus
    with pytest.raises(UserError, match="SPI clock of .* from 1000 to 100000000 Hz, not 1"):
        SpiLine(port, 1)
    with pytest.raises(PortAbsent, match="/dev/spidev9.9 does not exist: .* /dev/spidev"):
        SpiLine("/dev/spidev9.9", 1_000_000).open()
    line = SpiLine(port, 1_000_000)
    with pytest.raises(LinkLost, match="is closed"):
        line.send(b"x")
    line.open()
    with pytest.raises(CheckFailed, match="at most 4096 bytes"):
        line.send(bytes(4097))
    with pytest.raises(PortBusy, match="in use by another program"):
        SpiLine(port, 1_000_000).open()
    line.close()

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PortDenied, match="group spi"):
        line.open()


def test_simulated_spi_board_ends() -> None:
    """The pseudo-terminal is closed in the middle of a transfer, or nothing comes back."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    line = SimulatedSpiLine(os.ttyname(slave), 1_000_000, timeout=0.2)
    line.open()
    with pytest.raises(BoardSilent, match="does not finish a transfer"):
        line.send(b"abc")
    os.close(slave)
    threading.Timer(0.05, os.close, (master,)).start()
    with pytest.raises(LinkLost, match="cable was unplugged"):
        line.send(b"abc")
    line.close()


@pytest.mark.parametrize("read", [True, False])
def test_serial_cable_pulled(read: bool) -> None:
    """The port vanishes in the middle of a transfer."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    model = FrameBridgeModel(16, _Words())
    left = deque([1500])

    def serve() -> None:
        while left[0] > 0:
            data = os.read(master, 256)
            left[0] -= len(data)
            os.write(master, model.feed(data))
        os.close(master)

    port = os.ttyname(slave)
    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises((LinkLost, BoardSilent), match="cable was unplugged|stopped answering"), Link(port, timeout=0.3, retries=1) as link:
        os.close(slave)
        if read:
            link.read(0, 5000)
        else:
            link.write(4, np.zeros(5000, np.uint32))
    thread.join()
