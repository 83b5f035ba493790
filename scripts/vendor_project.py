"""A build for a board of a vendor's tool: a folder that Vivado or Quartus builds, which this computer does not do."""

from __future__ import annotations

import shutil
from typing import Any

from ..boards.board import Board
from ..boards.top import BoardTop
from .build_folder import Build, write_manifest
from .console import Stages
from .provenance import write_provenance
from .report import write_report

__all__ = ["PROJECT", "write_project"]

PROJECT = "project"
"""Its folder in the build's."""

_NAME = "macaw"
_RESULT = {"Vivado": f"{_NAME}.bit", "Quartus": f"{_NAME}.rbf"}
_README = """\
{tool} project of {model} for the {title} ({part}), made by Macaw {version}.

NOT BUILT HERE: no tool of the vendor has seen this folder, and no such board.

Build, with {tool} on PATH:    sh build_{name}.sh
Program:                       {program} {result}
Run, in the folder above:      macaw run .. --port PORT

{constraints} has pins and oscillator; the PLL makes {clock:g} MHz of it and the serial line runs at {baud:,} baud.
Look at the tool's timing report before you program: if {clock:g} MHz is missed, build again with a lower --clock.
The serial line: {link}.
"""


def write_project(build: Build, *, progress: Stages) -> dict[str, Any]:
    """Write ``project/`` and put it into the build's manifest and report: tool, folder, files, and that nobody built it."""
    board, manifest = build.board, build.manifest
    assert isinstance(board, Board) and board.vendor
    progress("project", 0.1, board.vendor)
    folder = build.folder / PROJECT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    top = BoardTop(
        board, build.compilation.config, manifest["wanted_hz"], attachment=build.attachment, images=build.images
    )
    # Quartus does not derive the PLL's clock by itself.
    options = {"add_constraints": "derive_pll_clocks\nderive_clock_uncertainty"} if board.vendor == "Quartus" else {}
    plan = board.platform().build(top, name=_NAME, do_build=False, emit_src=False, **options)
    plan.extract(str(folder))
    if board.vendor == "Quartus":
        (folder / f"{_NAME}.qpf").write_text(f'PROJECT_REVISION = "{_NAME}"\n')
    (folder / "README.txt").write_text(
        _README.format(
            tool=board.vendor, model=manifest["model"], title=board.title, part=board.part, version=manifest["macaw"], name=_NAME,
            program=board.program, result=_RESULT[board.vendor], clock=manifest["clock_hz"] / 1e6, baud=manifest["baud"],
            link=board.link, constraints={"Vivado": f"{_NAME}.xdc", "Quartus": f"{_NAME}.qsf"}[board.vendor],
        )
    )  # fmt: skip
    files = sorted(path.name for path in folder.iterdir())
    project = {"tool": board.vendor, "folder": PROJECT, "files": files, "built": False}
    manifest["project"] = project
    write_report(build.folder, manifest)
    write_provenance(build.folder, manifest)
    write_manifest(build.folder, manifest)
    progress("project", 1.0, f"{len(files)} files")
    return project
