"""`macaw build` for boards of Vivado and Quartus: a complete project, honest about what was not done, and checked as far as open
tools can."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from macaw.boards.catalog import BOARDS
from macaw.boards.executable import find_tool
from macaw.hw.emit import verilog
from macaw.hw.primitives.block_ram import BlockRam
from macaw.hw.primitives.target import Family, Target
from macaw.scripts.build_folder import load_build
from macaw.sim.simulator import verilator_environment

_CELLS = {
    "Vivado": """\
module PLLE2_BASE #(parameter BANDWIDTH = "", STARTUP_WAIT = "", parameter real CLKIN1_PERIOD = 0, parameter DIVCLK_DIVIDE = 1,
    CLKFBOUT_MULT = 1, CLKOUT0_DIVIDE = 1) (input CLKIN1, CLKFBIN, RST, PWRDWN, output CLKFBOUT, CLKOUT0, LOCKED); endmodule
module BUFG (input I, output O); endmodule
module IBUF (input I, output O); endmodule
module OBUFT (input I, T, output O); endmodule
""",
    "Quartus": """\
module altera_pll #(parameter fractional_vco_multiplier = "", operation_mode = "", number_of_clocks = 1, duty_cycle0 = 50,
    reference_clock_frequency = "", output_clock_frequency0 = "", phase_shift0 = "", pll_type = "", pll_subtype = "")
    (input refclk, rst, fbclk, output outclk, locked); endmodule
module altera_std_synchronizer_bundle #(parameter depth = 2, width = 1)
    (input clk, reset_n, input [width-1:0] din, output [width-1:0] dout); endmodule
module altiobuf_in #(parameter enable_bus_hold = "", number_of_channels = 1, use_differential_mode = "")
    (input [number_of_channels-1:0] datain, output [number_of_channels-1:0] dataout); endmodule
module altiobuf_out #(parameter enable_bus_hold = "", number_of_channels = 1, use_differential_mode = "", use_oe = "")
    (input [number_of_channels-1:0] datain, oe, output [number_of_channels-1:0] dataout); endmodule
""",
}
"""The vendors' cells that a project instantiates: members only. Yosys has Xilinx's itself."""

_READING = {
    "Vivado": "read_verilog -lib -specify +/xilinx/cells_sim.v\nread_verilog -lib +/xilinx/cells_xtra.v\nhierarchy -check -top macaw",
    "Quartus": "hierarchy -check -top macaw",
}
"""Yosys' own library of Xilinx's cells; that of Intel's lacks members that Amaranth uses."""


@pytest.mark.parametrize("board", ["arty-a7-100t", *(pytest.param(name, marks=pytest.mark.slow) for name in ("arty-z7-20", "de10-nano"))])
def test_project(macaw: Any, digits: Path, board: str, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    tool = BOARDS[board].vendor
    built = macaw("build", digits, "--board", board, "--array", "1,1,1", "-o", folder)
    assert built.code == 0, built.errors
    assert f"{tool} project: " in built.output and "not built here" in built.output
    for name in ("build.json", "report.json"):
        assert json.loads((folder / name).read_text())["project"]["built"] is False
    page = (folder / "report.html").read_text()
    assert f"{tool} project, not built here" in page and "not measured" in page
    project = folder / "project"
    assert "NOT BUILT HERE" in (project / "README.txt").read_text() and (project / "build_macaw.sh").is_file()
    assert not list(folder.glob("macaw.bi*")) and load_build(folder).board is BOARDS[board]

    # Every port has a pin, and every pin a port; the oscillator has its period.
    suffix, form = {"Vivado": ("xdc", r"LOC (\w+) \[get_ports \"(\w+)\"\]"), "Quartus": ("qsf", r"-to \"(\w+)\" PIN_(\w+)")}[tool]
    constraints = (project / f"macaw.{suffix}").read_text()
    pairs = [pair if tool == "Quartus" else pair[::-1] for pair in re.findall(form, constraints)]
    clocks = (project / ("macaw.xdc" if tool == "Vivado" else "macaw.sdc")).read_text()
    assert f"-period {1e9 / BOARDS[board].input_hz}" in clocks
    ports = _ports(project, tool, tmp_path)
    assert sorted(ports) == sorted(port for port, _ in pairs) and len(set(pairs)) == len(ports) == 6
    script = (project / ("macaw.tcl" if tool == "Vivado" else "macaw.qsf")).read_text()
    assert "macaw.v" in script and BOARDS[board].part in script.upper()
    if tool == "Quartus":
        assert "derive_pll_clocks" in clocks and (project / "macaw.qpf").read_text() == 'PROJECT_REVISION = "macaw"\n'
    _lint(project, tool, tmp_path)
    subprocess.run(["sh", "-n", "build_macaw.sh"], cwd=project, check=True)


def _ports(project: Path, tool: str, folder: Path) -> list[str]:
    """Ports of the top module as Yosys sees them, after it has found every module and cell."""
    shutil.copyfile(project / "macaw.v", folder / "macaw.v")
    (folder / "stubs.v").write_text(_CELLS[tool])
    libraries = "read_verilog -lib stubs.v\n" if tool == "Quartus" else ""
    (folder / "check.ys").write_text(f"{libraries}read_verilog macaw.v\n{_READING[tool]}\ntee -o ports.txt portlist -m macaw\n")
    yosys = find_tool("yosys")
    run = subprocess.run([str(yosys.path), "-q", "check.ys"], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return re.findall(r"\w+__io\b", (folder / "ports.txt").read_text())


def _lint(project: Path, tool: str, folder: Path) -> None:
    (folder / "stubs.v").write_text(_CELLS[tool])
    environment = dict(os.environ) | verilator_environment()
    run = subprocess.run(
        ["verilator", "--lint-only", "-Wno-lint", "-Wno-style", "--top-module", "macaw", str(project / "macaw.v"), "stubs.v"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]


def test_no_route_and_what_cannot_be(macaw: Any, digits: Path, tmp_path: Path) -> None:
    """--no-route leaves the project out; nothing here programs such a board; another clock is solved for its PLL."""
    folder = tmp_path / "build"
    words = ("--board", "arty-a7-100t", "--array", "1,1,1", "--no-route", "-o", folder)
    assert macaw("build", digits, *words, "--clock", "60").code == 0
    manifest = json.loads((folder / "build.json").read_text())
    assert not (folder / "project").exists() and "project" not in manifest and manifest["clock_hz"] == 60_000_000
    macaw("bringup", "--build", folder, "--port", "/dev/null").refused(2, "is built by Vivado: program the bitstream", "--no-program")
    macaw("build", digits, *words, "--clock", "900").refused(2, "The 7 series PLL cannot make 900 MHz from 100 MHz; the nearest")
    macaw("build", digits, "--device", "XC7A100TICSG324-1L", "-o", folder).refused(2, "There is no part")


def test_memories_for_quartus() -> None:
    """A memory for each write enable: from one with several Quartus would make registers."""
    text = verilog(BlockRam(32, 64, 8), platform=Target(Family.INTEL))
    assert len(re.findall(r"reg \[7:0\] \\?memory\b ?\[63:0\]", text)) + text.count("column_") >= 4
    assert not re.search(r"memory\[[^\]]*\]\[", text)
