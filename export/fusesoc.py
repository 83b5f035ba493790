"""The FuseSoC description (CAPI2) of an export."""

from __future__ import annotations

from collections.abc import Sequence

from .design import Design

__all__ = ["core_file"]

_LINT_OFF = (
    "PROCASSINIT", "UNUSEDSIGNAL", "DECLFILENAME", "CASEOVERLAP", "VARHIDDEN", "WIDTHEXPAND", "WIDTHTRUNC", "CMPCONST", "UNDRIVEN",
)  # fmt: skip
"""Values at declaration, wires of every level of a structure, priority chains as overlapping patterns, extension left to Verilog."""


def core_file(design: Design, verilog: Sequence[str], header: str) -> str:
    """Text of the ``.core`` file: the Verilog files, the C header, a target ``default`` and one that lints with Verilator.

    ``verilog`` has the file with the top module first.
    """
    files = "\n".join(f"      - {name}: {{file_type: verilogSource}}" for name in verilog)
    options = ", ".join(f"-Wno-{rule}" for rule in _LINT_OFF)
    return f"""\
CAPI=2:
# Made by Macaw {design.version}.
name: "macaw:accelerator:{design.name}:{design.version}"
description: "{design.description.replace('"', "'")}"

filesets:
  rtl:
    files:
{files}
  software:
    files:
      - {header}: {{file_type: user}}

targets:
  default:
    filesets: [rtl, software]
    toplevel: {design.name}
  lint:
    description: "Verilator's checks; those that are off are about how Yosys writes Verilog"
    default_tool: verilator
    filesets: [rtl]
    toplevel: {design.name}
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall, {options}]
"""
