"""A generated build to a bitstream: synthesis, placement, routing, packing. `python -m macaw.scripts.synthesize --help`."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..boards.device import Device
from ..boards.out_of_context import implement_component
from ..boards.toolchain import Implementation, implement
from ..boards.top import BoardTop
from ..hw.engine import Engine
from .build_folder import Build, load_build, write_manifest
from .console import CONSOLE, Stages, run_command, stages
from .report import write_report

__all__ = ["main", "synthesize_build"]


def synthesize_build(build: Build, *, seed: int, progress: Stages) -> Implementation:
    """Make the bitstream of ``build`` and put the figures into its manifest and report.

    A build for a device has no pins: its engine is placed and routed alone, without a bitstream, and a missed clock is a
    figure. Raises CheckFailed if it does not fit, misses its clock on a board, or a tool fails.
    """
    folder = build.folder / "implementation"
    if isinstance(build.board, Device):
        clock_hz = build.manifest["clock_hz"]
        implementation = implement_component(
            Engine(build.compilation.config, clock_hz=clock_hz), folder, board=build.board, seed=seed, clock_hz=clock_hz,
            progress=progress,
        )  # fmt: skip
        _record(build, implementation.to_dict())
        return implementation
    top = BoardTop(build.board, build.compilation.config, build.manifest["wanted_hz"])
    implementation = implement(
        top, build.board, folder, seed=seed, clock_hz=top.clock_hz, progress=progress
    )
    assert implementation.bitstream is not None
    bitstream = build.folder / implementation.bitstream.name
    temporary = bitstream.with_suffix(".partial")
    shutil.copyfile(implementation.bitstream, temporary)
    temporary.rename(bitstream)
    _record(build, implementation.to_dict() | {"bitstream": bitstream.name})
    return implementation


def _record(build: Build, implementation: dict[str, Any]) -> None:
    build.manifest["implementation"] = implementation
    write_report(build.folder, build.manifest)
    write_manifest(build.folder, build.manifest)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="synthesize", description="Bitstream of a generated build.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)

    def command() -> None:
        build = load_build(arguments.folder)
        with stages() as progress:
            implementation = synthesize_build(build, seed=arguments.seed, progress=progress)
        CONSOLE.print(f"{implementation.bitstream or 'out of context'}: {implementation.fmax_hz / 1e6:.1f} MHz, {implementation.resources}")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
