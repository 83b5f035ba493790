"""Tests of macaw.sim.simulated_board: the host link down to the serial pins of a simulated design."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial

from macaw.boards.link.client import AccessRefused, BoardSilent, Link, LinkLost, NotMacaw
from macaw.hw.control.register_map import Status
from macaw.hw.emit import write_verilog
from macaw.hw.errors import CheckFailed, UserError
from macaw.sim.bench.link_memory import LinkMemory
from macaw.sim.simulated_board import SimulatedBoard

_DIVISOR = 4
_DEPTH = 4096


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("board")
    write_verilog(LinkMemory(_DIVISOR, _DEPTH), path / "top.v")
    return path


@pytest.fixture
def board(folder: Path) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(folder / "top.v", _DIVISOR, folder / "build") as board:
        yield board


def test_transfers(board: SimulatedBoard) -> None:
    words = np.random.default_rng(7).integers(0, 1 << 32, 3000, dtype=np.uint32)
    with Link(board.port) as link:
        assert link.payload_words == 128
        link.write(2, words)
        assert link.read(2, 3000).tolist() == words.tolist()
        link.write(700, [1, 2, 3])
        assert link.read(699, 5).tolist() == [words[697], 1, 2, 3, words[701]]
        assert link.read(1, 1)[0] == 3003  # each word was written once
        assert link.repetitions == 0


def test_traffic(board: SimulatedBoard) -> None:
    """Bytes and cycles of what has moved since the question before."""
    with Link(board.port) as link:
        before = board.traffic()
        assert before.received == 2 * 14 and before.sent == 10 + 14  # PING and the magic number
        link.write(2, np.zeros(100, np.uint32))
        moved = board.traffic()
        assert (moved.received, moved.sent) == (14 + 400, 10)
        assert before.last <= moved.first < moved.last <= moved.now
        # 10 bits a byte; the answer's first byte begins within a few accesses of the request's last.
        assert 424 * 10 * _DIVISOR <= moved.cycles < 424 * 10 * _DIVISOR + 100 * 12
        assert board.traffic().received == 0


def test_refusals(board: SimulatedBoard) -> None:
    with Link(board.port) as link:
        with pytest.raises(AccessRefused) as info:
            link.write(_DEPTH - 300, np.zeros(400, np.uint32))
        assert (info.value.status, info.value.address) == (Status.ADDRESS, _DEPTH)
        with pytest.raises(AccessRefused, match="cannot be written"):
            link.write(0, [1])
        assert link.ping() < 1.0


def test_garbage_first(board: SimulatedBoard) -> None:
    with serial.Serial(board.port) as port:
        port.write(np.random.default_rng(3).bytes(3000) + b"\x4d\xc7\x02\x01")
    with Link(board.port, timeout=0.3) as link:
        link.write(9, [0xFFFFFFFF])
        assert link.read(9, 1)[0] == 0xFFFFFFFF


def test_wrong_rate(folder: Path) -> None:
    with SimulatedBoard(folder / "top.v", 7, folder / "build") as board:
        with pytest.raises((BoardSilent, NotMacaw)):
            Link(board.port, timeout=0.2, retries=1).open()


def test_second_host_after_the_first(board: SimulatedBoard) -> None:
    for value in range(5):
        with Link(board.port) as link:
            link.write(5, [value])
            assert link.read(5, 1)[0] == value


def test_cable_pulled(board: SimulatedBoard) -> None:
    threading.Timer(0.15, os.kill, (board.pid, signal.SIGKILL)).start()
    begin = time.monotonic()
    with pytest.raises((LinkLost, BoardSilent), match="broke: the cable|stopped answering"), Link(board.port) as link:
        while True:
            link.write(2, np.zeros(4000, np.uint32))
    assert time.monotonic() - begin < 10.0


def test_board_stops(board: SimulatedBoard) -> None:
    with Link(board.port, timeout=0.2, retries=1) as link:
        os.kill(board.pid, signal.SIGSTOP)
        try:
            with pytest.raises(BoardSilent, match="stopped answering|takes no data"):
                link.write(2, np.zeros(4000, np.uint32))
        finally:
            os.kill(board.pid, signal.SIGCONT)


def test_idle_board_sleeps(board: SimulatedBoard) -> None:
    def used() -> float:
        fields = Path(f"/proc/{board.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    if not Path("/proc/self/stat").is_file():
        pytest.skip("needs /proc")
    end = time.monotonic() + 60.0
    while True:
        before = used()
        time.sleep(0.5)
        if used() - before < 0.15:
            break
        assert time.monotonic() < end, "the idle simulation does not sleep"
    with Link(board.port) as link:
        assert link.ping() < 1.0


def test_board_ends_with_its_parent(folder: Path) -> None:
    script = (
        "import os; from pathlib import Path; from macaw.sim.simulated_board import SimulatedBoard\n"
        f"board = SimulatedBoard(Path({str(folder / 'top.v')!r}), {_DIVISOR}, Path({str(folder / 'build')!r}))\n"
        "board.__enter__(); print(board.pid, flush=True); os._exit(0)\n"
    )
    pid = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout)
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the simulation outlived its parent")


def test_does_not_start(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match="from 4 to 65536"):
        SimulatedBoard(folder / "top.v", 3, tmp_path)
    with pytest.raises(UserError, match="cannot wait for -1 cycles"):
        SimulatedBoard(folder / "top.v", 4, tmp_path, hold_cycles=-1)
    with pytest.raises(UserError, match="3 bytes do not fit into a flash of 2"):
        SimulatedBoard(folder / "top.v", 4, tmp_path, flash=b"abc", flash_bytes=2)
    with pytest.raises(UserError, match="does not exist; generate it first"):
        SimulatedBoard(tmp_path / "absent.v", 4, tmp_path).__enter__()
    broken = tmp_path / "broken.v"
    broken.write_text("module top(input clk); assign x = ; endmodule\n")
    with pytest.raises(CheckFailed, match="Compiling .* with board.cpp failed"):
        SimulatedBoard(broken, 4, tmp_path).__enter__()
    with pytest.raises(CheckFailed, match="is not running"):
        _ = SimulatedBoard(broken, 4, tmp_path).pid
