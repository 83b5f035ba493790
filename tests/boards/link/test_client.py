"""Tests of macaw.boards.link.client: a bridge in Python behind a pseudo-terminal, with faults on the line."""

from __future__ import annotations

import errno
import os
import pty
import random
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import serial

from macaw.boards.link.client import (
    AccessRefused,
    BoardSilent,
    Link,
    LinkLost,
    NotMacaw,
    PortAbsent,
    PortBusy,
    PortDenied,
    TransferCorrupted,
)
from macaw.hw.control.register_map import MAGIC, Status
from macaw.hw.errors import CheckFailed, UserError
from macaw.sim.golden.frame_bridge import FrameBridgeModel

_Fault = Callable[[bytes], bytes]


class _Words:
    def __init__(self, magic: int) -> None:
        self.words = {0: magic}
        self.writes: list[int] = []

    def read(self, address: int) -> tuple[int, int]:
        return (0, self.words.get(address, 0)) if address < 0x1000 else (1, 0)

    def write(self, address: int, data: int) -> int:
        if address >= 0x1000:
            return 1
        self.words[address] = data
        self.writes.append(address)
        return 0


class _Device:
    """Answers on the master side of a pseudo-terminal; ``to_board`` and ``to_host`` may change the bytes."""

    def __init__(self, magic: int = MAGIC) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        self.core = _Words(magic)
        self.model = FrameBridgeModel(16, self.core)
        self.to_board: _Fault = lambda data: data
        self.to_host: _Fault = lambda data: data
        self.respond: _Fault = self.model.feed
        self.stopped = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.stopped:
            if not select.select([self.master], [], [], 0.03)[0]:
                self.model.pause()
                continue
            data = self.to_board(os.read(self.master, 4096))
            os.write(self.master, self.to_host(self.respond(data)))

    def close(self) -> None:
        self.stopped = True
        self.thread.join()
        for end in (self.master, self.slave):
            os.close(end)


@contextmanager
def _device(magic: int = MAGIC) -> Iterator[_Device]:
    device = _Device(magic)
    try:
        yield device
    finally:
        device.close()


def test_read_and_write() -> None:
    words = np.random.default_rng(1).integers(0, 1 << 32, 500, dtype=np.uint32)
    seen: list[tuple[int, int]] = []
    with _device() as device, Link(device.port) as link:
        assert link.payload_words == 16
        link.write(0x20, words, lambda done, total: seen.append((done, total)))
        assert link.read(0x20, 500).tolist() == words.tolist()
        assert link.read(0x20, 500).dtype == np.uint32
        assert link.read(0x20, 0).size == 0
        link.write(0x20, [])
        assert link.ping(3) < 1.0
        assert link.repetitions == 0
        assert device.core.writes == list(range(0x20, 0x20 + 500))
    assert seen[0] == (0, 500) and seen[-1] == (500, 500) and seen == sorted(seen)


@pytest.mark.parametrize("direction", ["to_board", "to_host"])
@pytest.mark.parametrize("kind", ["flip", "drop", "insert"])
def test_faults_on_the_line(direction: str, kind: str) -> None:
    chance = random.Random(f"{direction} {kind}")
    faults = [0]

    def disturb(data: bytes) -> bytes:
        if not data or faults[0] >= 4 or chance.random() < 0.5:
            return data
        faults[0] += 1
        at = chance.randrange(len(data))
        middle = {"flip": bytes([data[at] ^ 0x10]), "drop": b"", "insert": bytes([data[at], 0x6D])}[kind]
        return data[:at] + middle + data[at + 1 :]

    words = np.arange(200, dtype=np.uint32)
    with _device() as device, Link(device.port, timeout=0.15, retries=6) as link:
        setattr(device, direction, disturb)
        link.write(0x40, words)
        assert link.read(0x40, 200).tolist() == words.tolist()
        assert faults[0] and link.repetitions
        assert [device.core.words[0x40 + at] for at in range(200)] == words.tolist()


def test_a_single_frame_is_written_once() -> None:
    lost = [0]

    def lose(data: bytes) -> bytes:
        lost[0] += 1
        return b"" if lost[0] <= 2 else data

    with _device() as device, Link(device.port, timeout=0.1) as link:
        device.to_host = lose
        link.write(4, [7])
        assert device.core.writes == [4] and link.repetitions == 2
        link.write(4, [7])
        assert device.core.writes == [4, 4]
        with _reopened(device, link) as second:
            second.write(4, [7])
        assert device.core.writes == [4, 4, 4]


@contextmanager
def _reopened(device: _Device, link: Link) -> Iterator[Link]:
    """Another link whose sequence numbers come out as those of the last write."""
    link.close()
    second = Link(device.port)
    second._sequence = (link._sequence - 3) % 256
    with second:
        yield second


def test_refusals() -> None:
    with _device() as device, Link(device.port) as link:
        with pytest.raises(
            AccessRefused, match="refused the write of word 0x0001000: there is no such address"
        ) as info:
            link.write(0xFF0, np.zeros(100, np.uint32))
        assert (info.value.status, info.value.address) == (Status.ADDRESS, 0x1000)
        with pytest.raises(AccessRefused, match="refused the read of word 0x2000000"):
            link.read(0x2000000, 50)
        assert link.read(0, 1)[0] == MAGIC
        with pytest.raises(UserError, match="outside the 268435456 words"):
            link.read(0xFFFFFFF, 2)
        with pytest.raises(UserError, match="from 0 to"):
            link.write(0, [-1])
        with pytest.raises(UserError, match="list of integers"):
            link.write(0, [0.5])


def test_wrong_parameters() -> None:
    for options, match in (
        ({"rate": 1}, "baud rate"), ({"timeout": 0}, "timeout"), ({"retries": -1}, "retries"), ({"window": 17}, "window"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=match):
            Link("port", **options)


def test_absent_port() -> None:
    with pytest.raises(PortAbsent, match="/dev/ttyNone does not exist: plug the board in"), Link("/dev/ttyNone"):
        pass
    with pytest.raises(PortAbsent, match="/dev/null is no serial port: name the board"), Link("/dev/null"):
        pass


def test_denied_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(PortDenied, match="group dialout"), Link("/dev/ttyUSB0"):
        pass


def test_busy_port() -> None:
    with _device() as device, Link(device.port):
        with pytest.raises(PortBusy, match="in use by another program"), Link(device.port):
            pass


def test_silent_board() -> None:
    with _device() as device:
        device.respond = lambda data: b""
        begin = time.monotonic()
        with pytest.raises(BoardSilent, match="does not answer at 1000000 baud"):
            Link(device.port, timeout=0.1, retries=2).open()
        assert time.monotonic() - begin < 2.0


def test_board_falls_silent() -> None:
    with _device() as device, Link(device.port, timeout=0.1, retries=1) as link:
        count = [0]

        def fade(data: bytes) -> bytes:
            count[0] += len(data)
            return data if count[0] < 200 else b""

        device.to_host = fade
        with pytest.raises(BoardSilent, match=r"stopped answering after \d+ of 1000 words"):
            link.read(0x10, 1000)


@pytest.mark.parametrize("respond", [lambda data: data, lambda data: b"login: " * 3, lambda data: bytes(len(data))])
def test_other_devices(respond: _Fault) -> None:
    with _device() as device:
        device.respond = respond
        with pytest.raises(NotMacaw, match="is no Macaw accelerator .*: program the board"):
            Link(device.port, timeout=0.1, retries=1).open()


def test_other_core() -> None:
    with _device(magic=0x12345678) as device:
        with pytest.raises(NotMacaw, match="its magic number is 0x12345678 and not 0x4d414357"):
            Link(device.port).open()


def test_line_too_noisy() -> None:
    with _device() as device, Link(device.port, timeout=0.1, retries=2) as link:
        device.to_host = lambda data: data[:-1] + bytes([data[-1] ^ 1]) if data else data
        with pytest.raises(TransferCorrupted, match="arrived corrupted 3 times in a row, after 0 of 4 words") as info:
            link.read(0, 4)
        assert isinstance(info.value, CheckFailed)


def test_closed_link() -> None:
    with _device() as device:
        with Link(device.port) as link:
            pass
        with pytest.raises(LinkLost, match="is closed"):
            link.read(0, 1)
