"""Inputs, folders and ports that cannot be used, through `macaw verify`, `macaw run`, `macaw build` and `macaw bringup`."""

from __future__ import annotations

import json
import os
import pty
import random
import select
import shutil
import threading
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from serial.tools import list_ports

from macaw.hw.config import PROGRAM_FORMAT, EngineConfig
from macaw.hw.control.register_map import MAGIC, Register
from macaw.hw.errors import UserError
from macaw.scripts.bringup_report import REPORT
from macaw.scripts.output_folder import check_output_folder
from macaw.sim.golden.frame_bridge import FrameBridgeModel

# Inputs


@pytest.mark.parametrize("command", ["verify", "run"])
@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ("absent", ("do not exist", "numpy.savez", "'image'", "float32", "(any, 1, 8, 8)")),
        ("junk", ("cannot be read as an .npz archive",)),
        ("folder", ("cannot be read as an .npz archive",)),
        ("truncated", ("cannot be read as an .npz archive",)),
        ("array", ("is a single array, not an .npz archive",)),
        ("name", ("has no array 'image' (it has 'picture')", "(any, 1, 8, 8)")),
        ("objects", ("is object; the model takes float32",)),
        ("shape", ("has shape (3, 8, 8, 1)", "(any, 1, 8, 8)")),
        ("rank", ("has shape (8, 8)",)),
        ("none", ("has shape (0, 1, 8, 8)",)),
        ("type", ("is float64; the model takes float32",)),
        ("infinite", ("not finite",)),
        ("labels", ("one integer for each of the 3 inputs",)),
    ],
)
def test_wrong_inputs(
    macaw: Any, small_build: Path, tmp_path: Path, command: str, case: str, parts: tuple[str, ...]
) -> None:
    path = tmp_path / "inputs.npz"
    image = np.zeros((3, 1, 8, 8), np.float32)
    good: dict[str, NDArray[Any]] = {"image": image}
    arrays: dict[str, dict[str, Any]] = {
        "name": {"picture": image},
        "objects": {"image": np.array([None, {}], object)},
        "shape": {"image": image.transpose(0, 2, 3, 1)},
        "rank": {"image": image[0, 0]},
        "none": {"image": image[:0]},
        "type": {"image": image.astype(np.float64)},
        "infinite": {"image": np.full_like(image, np.nan)},
        "labels": good | {"labels": np.zeros(2, np.int64)},
        "truncated": good,
    }
    if case in arrays:
        np.savez(path, **arrays[case])
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    elif case == "junk":
        path.write_bytes(b"nothing of use")
    elif case == "folder":
        path.mkdir()
    elif case == "array":
        np.save(path.with_suffix(".npy"), image)
        path = path.with_suffix(".npy")
    before = sorted(small_build.iterdir())
    options = () if command == "verify" else ("--simulate",)
    macaw(command, small_build, *options, "--inputs", path).refused(2, *parts)
    assert sorted(small_build.iterdir()) == before


# Folders


def test_output_cannot_be_written(macaw: Any, digits: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    for folder in (blocked, blocked / "below"):
        outcome = macaw("build", digits, "--board", "ulx3s-85f", "--array", "1,4,2", "--no-route", "-o", folder)
        outcome.refused(2, f"The output folder {folder} cannot be written ({blocked} is a file)", "choose another with -o")
        assert "import" not in outcome.errors  # before any work is done
    assert blocked.read_text() == "in the way"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="is a broken link"):
        check_output_folder(link / "below")
    if os.geteuid() != 0:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o555)
        with pytest.raises(UserError, match=f"nothing may be written to {closed}"):
            check_output_folder(closed / "build")


def test_nothing_foreign_is_removed(macaw: Any, digits: Path, tmp_path: Path, looks_complete: Any) -> None:
    folder = tmp_path / "project"
    (folder / "images").mkdir(parents=True)
    mine = [folder / "firmware.bin", folder / "old.bit", folder / "images" / "photo.png", folder / "notes.json"]
    for path in mine:
        path.write_text("mine")
    (folder / ".macaw").write_text("of a build that was interrupted")
    (folder / "macaw.bit").write_text("of a build before")
    shutil.copy(digits, folder / "model.onnx")
    words = ("--board", "ulx3s-85f", "--array", "1,4,2", "--no-route", "-o", folder)
    assert macaw("build", folder / "model.onnx", *words).code == 0
    assert all(path.read_text() == "mine" for path in mine)
    assert (folder / "model.onnx").read_bytes() == digits.read_bytes()
    assert looks_complete(folder) == ["build.json", "report.json", "report.html", "core.v", "board.v"]


@pytest.mark.parametrize("name", ["core.v", "report.html", "model.onnx", "images/weights.hex"])
def test_nothing_foreign_is_overwritten(macaw: Any, digits: Path, tmp_path: Path, name: str) -> None:
    """As an export, or somebody's project."""
    mine = tmp_path / "project" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    outcome = macaw("build", digits, "--board", "ulx3s-85f", "--array", "1,4,2", "--no-route", "-o", tmp_path / "project")
    outcome.refused(2, f"project holds {name}, which is not of a build: choose another with -o")
    assert mine.read_text() == "mine" and sorted(tmp_path.rglob("*")) == before


def test_a_folder_with_brackets_and_spaces(macaw: Any, digits: Path, tmp_path: Path) -> None:
    """Brackets are markup to what prints the lines, spaces are two words to make."""
    folder = tmp_path / "a [/b] :star: c[red]"
    built = macaw("build", digits, "--board", "ulx3s-85f", "--array", "1,4,2", "--no-route", "-o", folder)
    assert built.code == 0 and f"report: {folder}/report.html" in built.output
    assert macaw("verify", folder, "--limit", "1").code == 0
    macaw("build", tmp_path / "a\\[/x]", "--board", "ulx3s-85f", "-o", folder).refused(2, f"{tmp_path}/a\\[/x]")


def test_the_current_folder_is_gone(macaw: Any, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    macaw("build", digits, "--board", "ulx3s-85f", "-o", "build").refused(2, "The current folder does not exist any more")


def test_clock_that_the_pll_does_not_make(macaw: Any, digits: Path, tmp_path: Path) -> None:
    words = ("build", digits, "--board", "ulx3s-85f", "--array", "1,4,2", "--no-route", "-o", tmp_path / "build")
    assert "clock: 33.3 MHz were asked for; 32.1429 MHz is what the board's PLL makes" in macaw(*words, "--clock", "33.3").output
    assert "were asked for" not in macaw(*words, "--clock", "75").output
    macaw(*words, "--clock", "0").refused(2, "--clock is a frequency from 1 to 1000 MHz, as in 100, not 0")


def test_outputs_cannot_be_saved(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    for save in (tmp_path, tmp_path / "absent" / "outputs.npz"):
        outcome = macaw("run", small_build, "--simulate", "--save", save)
        outcome.refused(2, f"The outputs cannot be written to {save}")


@pytest.mark.parametrize("command", [("verify",), ("run", "--simulate")])
def test_no_build(macaw: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        macaw(command[0], folder, *command[1:]).refused(2, f"{folder} holds no complete build", "macaw build")
    file = tmp_path / "model.onnx"
    file.write_bytes(b"")
    macaw(command[0], file, *command[1:]).refused(2, f"{file} is a file, not the folder of a build", "-o")


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "build.json").read_text())
    change(manifest)
    (folder / "build.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("case", "code", "part"),
    [
        ("manifest is no JSON", 2, "build.json cannot be read: build again"),
        ("manifest is a list", 2, "build.json is damaged: build again"),
        ("engine is lost", 2, "build.json is damaged: build again"),
        ("engine is odd", 2, "build.json is damaged: build again"),
        ("baud is lost", 2, "build.json is damaged: build again"),
        ("divisor is text", 2, "build.json is damaged: build again"),
        ("board is lost", 2, "build.json is damaged: build again"),
        ("board is unknown", 2, "build.json is damaged: build again"),
        ("identity is another", 2, "whose engine differs"),
        ("model is lost", 2, "There is no model file"),
        ("model is junk", 2, "is not an ONNX"),
        ("image is lost", 2, "weights.hex is missing or damaged: build again"),
        ("image is junk", 2, "weights.hex is missing or damaged: build again"),
        ("image is short", 2, "weights.hex is not that of model.onnx: build again"),
        ("image is changed", 2, "weights.hex is not that of model.onnx: build again"),
        ("core is lost", 2, "core.v is needed for simulation but does not exist"),
        ("core is junk", 1, "core.v with core.cpp failed (exit code 1): %Error: core.v:1:"),
    ],
)
def test_damaged_build(macaw: Any, small_build: Path, tmp_path: Path, case: str, code: int, part: str) -> None:
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder, ignore=shutil.ignore_patterns("simulation"))
    weights = folder / "images" / "weights.hex"
    lines = weights.read_text().splitlines(keepends=True)
    damage: dict[str, Callable[[], Any]] = {
        "manifest is no JSON": lambda: (folder / "build.json").write_text("{"),
        "manifest is a list": lambda: (folder / "build.json").write_text("[]"),
        "engine is lost": lambda: _edit(folder, lambda manifest: manifest.pop("engine")),
        "engine is odd": lambda: _edit(folder, lambda manifest: manifest["engine"].update(p="four")),
        "baud is lost": lambda: _edit(folder, lambda manifest: manifest.pop("baud")),
        "divisor is text": lambda: _edit(folder, lambda manifest: manifest.update(divisor="33")),
        "board is lost": lambda: _edit(folder, lambda manifest: manifest.pop("board")),
        "board is unknown": lambda: _edit(folder, lambda manifest: manifest.update(board="abacus")),
        "identity is another": lambda: _edit(folder, lambda manifest: manifest.update(identity="0" * 16)),
        "model is lost": (folder / "model.onnx").unlink,
        "model is junk": lambda: (folder / "model.onnx").write_bytes(b"junk"),
        "image is lost": weights.unlink,
        "image is junk": lambda: weights.write_text("spam\n"),
        "image is short": lambda: weights.write_text("".join(lines[:-1])),
        "image is changed": lambda: weights.write_text("".join(["00c0ffee\n", *lines[1:]])),
        "core is lost": (folder / "core.v").unlink,
        "core is junk": lambda: (folder / "core.v").write_text("module core(input clk); assign x = ; endmodule\n"),
    }
    damage[case]()
    macaw("verify", folder).refused(code, part)
    assert not (folder / "verify.json").exists()


# Ports


class _Registers:
    """The registers of a core, and nothing else."""

    def __init__(self, values: Mapping[Register, int]) -> None:
        self.values = {register.value: value for register, value in values.items()}

    def read(self, address: int) -> tuple[int, int]:
        return 0, self.values.get(address, 0)

    def write(self, address: int, data: int) -> int:
        return 0


@contextmanager
def _terminal(respond: Callable[[bytes], bytes]) -> Iterator[str]:
    """A pseudo-terminal whose other end answers."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            if select.select([master], [], [], 0.02)[0] and (answer := respond(os.read(master, 4096))):
                os.write(master, answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stopped.set()
        thread.join()
        for end in (master, slave):
            os.close(end)


@pytest.fixture
def engine(small_build: Path) -> EngineConfig:
    """The engine of the small build."""
    return EngineConfig.from_dict(json.loads((small_build / "build.json").read_text())["engine"])


def _core(identity: int, magic: int = MAGIC, version: int = PROGRAM_FORMAT) -> Callable[[bytes], bytes]:
    registers: dict[Any, int] = {
        Register.MAGIC: magic,
        Register.FORMAT: version,
        Register.IDENTITY_LOW: identity & 0xFFFFFFFF,
        Register.IDENTITY_HIGH: identity >> 32,
    }
    return FrameBridgeModel(128, _Registers(registers)).feed


class _UsbPort:
    vid = 0x0403
    description = "USB serial"

    def __init__(self, device: str, serial_number: str | None, location: str) -> None:
        self.device, self.serial_number, self.location = device, serial_number, location


def test_no_port_named(macaw: Any, small_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[_UsbPort] = []
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    macaw("run", small_build).refused(2, "No USB serial port is here", "--port")
    ports += [_UsbPort("/dev/ttyUSB0", "D00012", "1-1:1.0"), _UsbPort("/dev/ttyUSB1", None, "1-2:1.0")]
    macaw("run", small_build).refused(
        2, "Several boards", "--port", "/dev/ttyUSB0 (USB serial, serial number D00012)", "/dev/ttyUSB1 (USB serial, no serial number)"
    )
    with _terminal(lambda data: b"") as port:
        ports[:] = [_UsbPort(port, "D00012", "1-1:1.0")]
        macaw("run", small_build).refused(2, f"The board at {port} does not answer")
    macaw("run", small_build, "--port", "/dev/ttyUSB0", "--simulate").refused(2, "--port", "--simulate")


@pytest.mark.parametrize("port", ["/dev/ttyAbsent7", "/dev/null", "/"])
def test_absent_port(macaw: Any, small_build: Path, port: str) -> None:
    macaw("run", small_build, "--port", port).refused(2, f"{port} is no serial port" if port == "/dev/null" else f"The serial port {port}")


def test_silent_port(macaw: Any, small_build: Path) -> None:
    with _terminal(lambda data: b"") as port:
        macaw("run", small_build, "--port", port).refused(2, f"The board at {port} does not answer", "powered")


def _noise(data: bytes) -> bytes:
    return random.Random(data).randbytes(300)


@pytest.mark.parametrize("respond", [lambda data: data, lambda data: b"login: ", _noise], ids=["echo", "console", "noise"])
def test_other_device(macaw: Any, small_build: Path, respond: Callable[[bytes], bytes]) -> None:
    with _terminal(respond) as port:
        macaw("run", small_build, "--port", port).refused(2, f"{port} is no Macaw accelerator", "program the board")


def test_other_core(macaw: Any, small_build: Path, engine: EngineConfig) -> None:
    with _terminal(_core(engine.identity, magic=0x12345678)) as port:
        macaw("run", small_build, "--port", port).refused(2, "magic number is 0x12345678")


def test_other_program_format(macaw: Any, small_build: Path, engine: EngineConfig) -> None:
    with _terminal(_core(engine.identity, version=99)) as port:
        macaw("run", small_build, "--port", port).refused(2, "program format 99", "this build's bitstream")


def test_other_identity(macaw: Any, small_build: Path, engine: EngineConfig) -> None:
    with _terminal(_core(engine.identity ^ 0xFF00)) as port:
        macaw("run", small_build, "--port", port).refused(
            2, f"{engine.identity ^ 0xFF00:016x}", f"{engine.identity:016x}", "program the board"
        )


def test_board_dies_during_the_run(macaw: Any, small_build: Path, engine: EngineConfig) -> None:
    respond = _core(engine.identity)
    received = [0]

    def fade(data: bytes) -> bytes:
        received[0] += len(data)
        return respond(data) if received[0] < 3000 else b""

    with _terminal(fade) as port:
        macaw("run", small_build, "--port", port).refused(2, "stopped answering after", "reset or reprogram")


# The bring-up meets the same boards, and says so in its report.


def _brought_up(macaw: Any, build: Path, folder: Path, respond: Callable[[bytes], bytes], *parts: str) -> str:
    shutil.copytree(build, folder, ignore=shutil.ignore_patterns("simulation"))
    with _terminal(respond) as port:
        macaw("bringup", "--build", folder, "--no-program", "--port", port).refused(2, *parts)
    report = (folder / REPORT).read_text()
    assert "Result: FAILED: link" in report and all(part in report for part in parts)
    return report


def test_bringup_of_another_bitstream(macaw: Any, small_build: Path, engine: EngineConfig, tmp_path: Path) -> None:
    found, wanted = engine.identity ^ 1, engine.identity
    parts = f"{found:016x}", f"{wanted:016x}", "program the board"
    report = _brought_up(macaw, small_build, tmp_path / "build", _core(found), *parts)
    assert "OK        identity" not in report


def test_bringup_of_no_macaw(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    _brought_up(macaw, small_build, tmp_path / "build", lambda data: data, "is no Macaw accelerator", "program the board")


def test_cable_pulled_in_a_bringup(macaw: Any, small_build: Path, engine: EngineConfig, tmp_path: Path) -> None:
    """Between two accesses: what was found before stays in the report."""
    respond, received = _core(engine.identity), [0]

    def fade(data: bytes) -> bytes:
        received[0] += len(data)
        return respond(data) if received[0] < 200 else b""

    report = _brought_up(macaw, small_build, tmp_path / "build", fade, "stopped answering after")
    assert f"OK        identity     {engine.identity:016x}" in report


def test_inputs_are_read_before_a_board_is_programmed(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    before = sorted(small_build.iterdir())
    words = ("--build", small_build, "--no-program", "--port", tmp_path / "ttyUSB7", "--inputs", tmp_path / "absent.npz")
    macaw("bringup", *words).refused(2, "absent.npz do not exist", "(any, 1, 8, 8)")
    assert sorted(small_build.iterdir()) == before
