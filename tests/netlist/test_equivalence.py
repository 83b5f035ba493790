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

_BOTH = """\
read_verilog cells.v
read_rtlil macaw.il
hierarchy -top macaw
proc
flatten
opt_clean
rename macaw gold
design -stash gold
read_verilog cells.v netlist.v
hierarchy -top block
proc
flatten
opt_clean
rename block gate
design -stash gate
design -copy-from gold gold
design -copy-from gate gate
"""
_ANY_STATE = """\
equiv_make -blacklist names.txt gold gate equiv
hierarchy -top equiv
equiv_simple -undef
equiv_induct -undef
equiv_status -assert
"""
_FROM_THE_START = """\
miter -equiv -flatten -make_assert gold gate miter
hierarchy -top miter
sat -verify -prove-asserts -seq {cycles} miter
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
INTERNAL = {"drain_generator": ("first",)}
"""Signals inside of a block whose names the netlist gives to others: only what depends on them is compared."""
BOUNDED = ("uart_transmitter", "ice40up")
"""The byte on its way is inverted there, with the rest of its register: equal from the initial values on only."""


def _compare(folder: Path, netlist: str, family: Family, judge: str = _ANY_STATE, internal: tuple[str, ...] = ()) -> None:
    """``macaw.il`` in ``folder`` with the module ``block``. Raises CheckFailed unless they are proved equal."""
    (folder / "cells.v").write_text(cell_models(netlist, family))
    (folder / "netlist.v").write_text(netlist)
    (folder / "names.txt").write_text("".join(f"\\{name}\n" for name in internal))
    (folder / "equivalence.ys").write_text(_BOTH + judge)
    run_stage(find_tool("yosys"), ["-q", "-l", "equivalence.log", "equivalence.ys"], folder, "equivalence.log")


@pytest.mark.parametrize(
    ("block", "family"),
    [pytest.param(block, family, id=f"{block}-{family.value}", marks=() if (block, family.value) == FAST else pytest.mark.slow)
     for block in BLOCKS for family in (Family.ECP5, Family.ICE40UP) if (block, family.value) != BOUNDED],
)  # fmt: skip
def test_equal(block: str, family: Family, tmp_path: Path) -> None:
    netlist = netlist_of(BLOCKS[block](), family, tmp_path, name="block")
    _compare(tmp_path, netlist, family, internal=INTERNAL.get(block, ()))


@pytest.mark.slow
def test_equal_for_a_byte(tmp_path: Path) -> None:
    """BOUNDED, in every run of 50 cycles: a byte of 40 and the next one's beginning."""
    netlist = netlist_of(UartTransmitter(4), Family.ICE40UP, tmp_path, name="block")
    _compare(tmp_path, netlist, Family.ICE40UP, _FROM_THE_START.format(cycles=50))


@pytest.mark.slow
def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    """One look-up table with one wrong entry."""
    netlist = netlist_of(StreamRegister(8), Family.ICE40UP, tmp_path, name="block")
    head, table, tail = netlist.partition(".LUT_INIT(16'h")
    assert table
    wrong = head + table + f"{int(tail[:4], 16) ^ 0xFFFF:04x}" + tail[4:]
    for judge, found in ((_ANY_STATE, "unproven"), (_FROM_THE_START.format(cycles=6), "proof did fail")):
        with pytest.raises(CheckFailed, match=found):
            _compare(tmp_path, wrong, Family.ICE40UP, judge)
