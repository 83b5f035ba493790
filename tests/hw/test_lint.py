"""Emitted Verilog is clean: Verilator with all warnings, but for those of `lint.vlt`, and Yosys' check."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from macaw.boards.executable import find_tool
from macaw.boards.harness import Harness
from macaw.hw.config import EngineConfig
from macaw.hw.emit import write_verilog
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.sim.simulator import verilator_environment

WAIVERS = Path(__file__).with_name("lint.vlt")

SIZES: dict[str, Any] = {"feature_depth": 40, "weight_depth": 48, "program_depth": 40, "tap_depth": 9}
CONFIGS = {
    "least": EngineConfig(p=1, m=1, n=1),
    "odd_sizes": EngineConfig(p=3, m=3, n=3, depth=2, adding=True, nudge=8, logic_dots=1, **SIZES),
    "small_device": EngineConfig(
        p=2, m=4, n=2, prefetch=False, taps_in_program=True, requantizer_digit=2, multiplier_latency=2,
        weight_memory="spram", pooling=False, **SIZES,
    ),
    "few_bits": EngineConfig(
        p=1, m=1, n=4, products=("int8xint8", "int4xint4", "ternaryxternary", "binaryxbinary", "int8xternary", "int8xbinary"),
        output_formats=("int8", "int4", "ternary"), wrapping=True, **SIZES,
    ),
    "streaming": EngineConfig(p=2, m=3, n=3, streaming=True, **SIZES),
    "binary": EngineConfig(p=1, m=1, n=8, products=("binaryxbinary",), output_formats=("binary",), **SIZES),
}  # fmt: skip


def _lint(folder: Path, file: str, top: str) -> list[str]:
    """Verilator's complaints that are not waived."""
    run = subprocess.run(
        ["verilator", "--lint-only", "-Wall", "--top-module", top, str(WAIVERS), file],
        cwd=folder, env=dict(os.environ) | verilator_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    complaints = re.findall(r"^%(?:Warning|Error)[^\n]*", run.stderr, re.MULTILINE)
    assert run.returncode == 0 or complaints, run.stderr
    return complaints


def _check(folder: Path, file: str, top: str) -> str:
    """What Yosys' check finds: several drivers, loops, undriven wires that are read. Empty if it is content."""
    tool = find_tool("yosys")
    script = f"read_verilog {file}; hierarchy -check -top {top}; proc; opt_clean; check -assert"
    run = subprocess.run([str(tool.path), "-q", "-p", script], cwd=folder, capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else run.stdout + run.stderr


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ("least", "binary", "streaming", "few_bits") else ()) for name in CONFIGS]
)
def test_clean(name: str, tmp_path: Path) -> None:
    write_verilog(Harness(CONFIGS[name], divisor=16, clock_hz=12_000_000, sdram=MT48LC16M16), tmp_path / "board.v", name="board")
    assert _lint(tmp_path, "board.v", "board") == []
    assert _check(tmp_path, "board.v", "board") == ""


def test_what_is_not_clean(tmp_path: Path) -> None:
    """Both find what they are there for."""
    (tmp_path / "board.v").write_text(
        "module board(input clk, input [7:0] a, output [3:0] b, output c);\n"
        "  assign b = a;\n  assign c = a[0];\n  assign c = a[1];\nendmodule\n"
    )
    complaints = _lint(tmp_path, "board.v", "board")
    assert any("WIDTHTRUNC" in line for line in complaints)
    assert "multiple conflicting drivers" in _check(tmp_path, "board.v", "board")


def test_waivers_have_reasons_and_uses() -> None:
    """Each waiver stands below a comment; rules that hide mistakes are waived for named operators only."""
    lines = WAIVERS.read_text().splitlines()[2:]
    reasoned = False
    for line in lines:
        if line.startswith("//"):
            reasoned = True
        elif not line:
            reasoned = False
        else:
            assert line.startswith("lint_off -rule ") and reasoned, line
            rule = line.split()[2]
            assert "-match" in line or rule in ("PROCASSINIT", "UNUSEDSIGNAL", "DECLFILENAME", "CASEOVERLAP", "VARHIDDEN")
