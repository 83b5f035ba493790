# amaranth: UnusedElaboratable=no
"""Blocks of logic and registers: Yosys proves that RTL and netlist are the same machine, register by register."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from macaw.boards.executable import find_tool
from macaw.boards.out_of_context import netlist_of
from macaw.boards.stage import run_stage
from macaw.hw.bus.crc32 import Crc32
from macaw.hw.bus.stream_register import StreamRegister
from macaw.hw.bus.uart import UartReceiver, UartTransmitter
from macaw.hw.compute.adder_tree import AdderTree
from macaw.hw.compute.ternary_dot import TernaryDot
from macaw.hw.compute.xnor_popcount import XnorPopcount
from macaw.hw.config import EngineConfig
from macaw.hw.control.drain_generator import DrainGenerator
from macaw.hw.errors import CheckFailed
from macaw.hw.memory.window_selector import WindowSelector
from macaw.hw.output.parameter_store import ParameterStore
from macaw.hw.primitives.target import Family
from macaw.sim.harness.vendor_cells import cell_models

_SCRIPT = """\
read_rtlil macaw.il
hierarchy -top macaw
proc
flatten
opt_clean
rename macaw gold
design -stash gold
read_verilog netlist.v
hierarchy -top block
proc
flatten
opt_clean
rename block gate
design -stash gate
design -copy-from gold gold
design -copy-from gate gate
equiv_make gold gate equiv
hierarchy -top equiv
equiv_simple -undef
equiv_induct -undef
equiv_status -assert
"""
SMALL = EngineConfig(
    p=2, m=2, n=2, depth=2, feature_depth=64, weight_depth=64, program_depth=64, tap_depth=8, extent_width=4, group_width=3
)  # fmt: skip
BLOCKS: dict[str, Callable[[], Any]] = {
    "adder_tree": lambda: AdderTree(5, 6),
    "crc32": Crc32,
    "drain_generator": lambda: DrainGenerator(SMALL),
    "parameter_store": lambda: ParameterStore(SMALL),
    "stream_register": lambda: StreamRegister(8),
    "ternary_dot": lambda: TernaryDot(1),
    "uart_receiver": lambda: UartReceiver(8),
    "uart_transmitter": lambda: UartTransmitter(8),
    "window_selector": lambda: WindowSelector(SMALL),
    "xnor_popcount": lambda: XnorPopcount(1),
}
FAST = ("stream_register", "ice40up")
OPEN = {
    ("drain_generator", "ice40up"): "not proved from any state, only from those that can be reached",
    ("uart_transmitter", "ice40up"): "the register of the line is inverted: equal from the initial values on only",
    ("ternary_dot", "ecp5"): "the RTL has carry cells of its own",
    ("xnor_popcount", "ecp5"): "the RTL has carry cells of its own",
}
"""What this proof does not close for, and why; their benches run on these netlists."""


def _compare(folder: Path, netlist: str, family: Family) -> None:
    """``macaw.il`` in ``folder`` with the module ``block``. Raises CheckFailed unless they are proved equal."""
    (folder / "netlist.v").write_text(cell_models(netlist, family) + netlist)
    (folder / "equivalence.ys").write_text(_SCRIPT)
    run_stage(find_tool("yosys"), ["-q", "-l", "equivalence.log", "equivalence.ys"], folder, "equivalence.log")


@pytest.mark.parametrize(
    ("block", "family"),
    [pytest.param(block, family, id=f"{block}-{family.value}", marks=() if (block, family.value) == FAST else pytest.mark.slow)
     for block in BLOCKS for family in (Family.ECP5, Family.ICE40UP) if (block, family.value) not in OPEN],
)  # fmt: skip
def test_equal(block: str, family: Family, tmp_path: Path) -> None:
    _compare(tmp_path, netlist_of(BLOCKS[block](), family, tmp_path, name="block"), family)


@pytest.mark.slow
def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    """One look-up table with one wrong entry."""
    netlist = netlist_of(StreamRegister(8), Family.ICE40UP, tmp_path, name="block")
    head, table, tail = netlist.partition(".LUT_INIT(16'h")
    assert table
    wrong = head + table + f"{int(tail[:4], 16) ^ 0xFFFF:04x}" + tail[4:]
    with pytest.raises(CheckFailed, match="unproven"):
        _compare(tmp_path, wrong, Family.ICE40UP)
