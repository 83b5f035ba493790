"""Ctrl-C in every long step: exit code 1, no traceback, no process left, nothing that looks complete."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

LooksComplete = Callable[[Path], list[str]]

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").is_file(), reason="looks for processes in /proc")


def _users(folder: Path) -> list[str]:
    """Commands of living processes whose working folder or command line lies in ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(process / "cwd")
        except OSError:
            continue
        if command and (str(folder) in command or place.startswith(str(folder))):
            found.append(command)
    return found


def _interrupt(
    words: list[str],
    stage: str,
    folder: Path,
    *,
    delay: float = 0.0,
    begun: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `macaw` and send it SIGINT ``delay`` seconds after it began ``stage`` and, if given, the file ``begun`` appeared."""
    process = subprocess.Popen(
        [sys.executable, "-m", "macaw.scripts.command", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | (environment or {}),
    )  # fmt: skip
    guard = threading.Timer(300, process.kill)
    guard.start()
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(f"{stage} ..."):
                break
        else:
            pytest.fail(f"it never came to {stage!r}: {''.join(lines)}")
        while begun is not None and not begun.exists() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    finally:
        guard.cancel()
    errors = "".join(lines) + errors
    assert process.returncode == 1, errors
    assert "Interrupted: nothing that this step had begun was left looking complete." in errors
    assert "Traceback" not in errors and "Error" not in errors
    for _ in range(50):
        if not _users(folder):
            break
        time.sleep(0.1)
    assert not _users(folder)


@pytest.mark.parametrize("stage", ["import", "compile", "verilog"])
def test_generate(digits: Path, tmp_path: Path, looks_complete: LooksComplete, stage: str) -> None:
    folder = tmp_path / "build"
    words = ["build", str(digits), "--board", "ulx3s-85f", "-o", str(folder), "--no-route"]
    _interrupt(words, stage, folder, delay=0.0)
    assert not {"build.json", "report.json", "report.html", "macaw.bit"} & set(looks_complete(folder))


def test_generate_over_a_build(digits: Path, small_build: Path, tmp_path: Path, looks_complete: LooksComplete) -> None:
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder)
    (folder / "macaw.bit").write_text("old")
    words = ["build", str(digits), "--board", "ulx3s-85f", "--array", "1,4,2", "-o", str(folder), "--no-route"]
    _interrupt(words, "verilog", folder, delay=0.0)
    assert not {"build.json", "report.json", "report.html", "macaw.bit"} & set(looks_complete(folder))


@pytest.mark.parametrize(("words", "stage"), [(["verify"], "compile RTL"), (["run", "--simulate"], "compile board")])
def test_compile_simulation(small_build: Path, tmp_path: Path, words: list[str], stage: str) -> None:
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder, ignore=shutil.ignore_patterns("simulation"))
    _interrupt([words[0], str(folder), *words[1:]], stage, folder, delay=0.3)
    assert not (folder / "verify.json").exists()
    assert not [path for path in folder.glob("simulation/*") if path.is_dir()]


def test_faults(digits: Path, small_build: Path, tmp_path: Path) -> None:
    words = ["faults", str(small_build), "--inputs", str(digits.with_name("heldout.npz")), "-o", str(tmp_path / "out")]
    _interrupt(words, "faults", tmp_path, delay=0.3)
    assert not list((tmp_path / "out").iterdir())


def test_synthesis(digits: Path, tmp_path: Path, looks_complete: LooksComplete) -> None:
    folder = tmp_path / "build"
    words = ["build", str(digits), "--board", "ulx3s-85f", "--array", "1,4,2", "-o", str(folder)]
    _interrupt(words, "synthesis", folder, delay=0.5)
    _check_unrouted(folder, looks_complete)


def test_place_and_route(digits: Path, tmp_path: Path, looks_complete: LooksComplete) -> None:
    folder, tools = tmp_path / "build", tmp_path / "tools"
    tools.mkdir()
    # Stand-ins that are quick, and slow: only the interruption is tested here.
    _program(
        tools / "yosys",
        """
        [ "$1" = -V ] && { echo "Yosys 9.9"; exit; }
        echo '{"design": {"num_cells_by_type": {}}}' > macaw.stat.json
        echo '{"modules": {}}' > macaw.json
        """,
    )
    _program(
        tools / "nextpnr-ecp5",
        """
        [ "$1" = --version ] && { echo "nextpnr-9.9"; exit; }
        touch macaw.config
        sleep 300
        """,
    )
    words = ["build", str(digits), "--board", "ulx3s-85f", "--array", "1,4,2", "-o", str(folder)]
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"

    begun = folder / "implementation" / "macaw.config"
    _interrupt(words, "synthesis", folder, begun=begun, environment={"PATH": path})
    _check_unrouted(folder, looks_complete)


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{textwrap.dedent(body)}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _check_unrouted(folder: Path, looks_complete: LooksComplete) -> None:
    """The Verilog is complete, and says of itself that there is no bitstream."""
    assert looks_complete(folder) == ["build.json", "report.json", "report.html", "core.v", "board.v"]
    assert "not placed and routed" in (folder / "report.html").read_text()
    assert '"implementation": null' in (folder / "build.json").read_text()
    assert not [path for path in folder.rglob("*") if path.suffix in (".bit", ".bin", ".partial")]
