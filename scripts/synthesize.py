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
from .provenance import write_provenance
from .report import write_report

__all__ = ["SEEDS", "main", "outcome", "synthesize_build"]

SEEDS = (1, 2, 3)
"""Seeds that are tried, in this order, until one meets the clock."""


def synthesize_build(build: Build, *, seed: int | None = None, progress: Stages) -> Implementation:
    """Make the bitstream of ``build`` and put the figures into its manifest and report.

    Without ``seed`` those of SEEDS are tried until one meets the clock. A build for a device has no pins: its engine is
    placed and routed alone, without a bitstream, and a missed clock is a figure. Raises CheckFailed if it does not fit,
    misses its clock on a board, or a tool fails.
    """
    folder = build.folder / "implementation"
    if isinstance(build.board, Device):
        clock_hz = build.manifest["clock_hz"]
        implementation = implement_component(
            Engine(build.compilation.config, clock_hz=clock_hz), folder, board=build.board,
            seed=SEEDS[0] if seed is None else seed, clock_hz=clock_hz, progress=progress,
        )  # fmt: skip
        _record(build, implementation.to_dict())
        return implementation
    top = BoardTop(
        build.board, build.compilation.config, build.manifest["wanted_hz"], attachment=build.attachment, images=build.images
    )
    implementation = implement(
        top, build.board, folder, seeds=SEEDS if seed is None else (seed,), clock_hz=top.clock_hz, progress=progress
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
    write_provenance(build.folder, build.manifest)
    write_manifest(build.folder, build.manifest)


def outcome(implementation: Implementation) -> str:
    """What came of placement and routing, in one line."""
    used = implementation.resources
    before = ", ".join(f"{fmax_hz / 1e6:.1f} MHz with {seed}" for seed, fmax_hz in implementation.missed.items())
    return (
        f"placed and routed with seed {implementation.seed}: {implementation.fmax_hz / 1e6:.1f} MHz, {used.luts:,} LUTs, "
        f"{used.block_rams} block RAMs, {used.multipliers} multipliers" + (f" (missed: {before})" if before else "")
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="synthesize", description="Bitstream of a generated build.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, help=f"of the placement; {SEEDS} until one meets the clock without it")
    arguments = parser.parse_args(argv)

    def command() -> None:
        build = load_build(arguments.folder)
        with stages() as progress:
            implementation = synthesize_build(build, seed=arguments.seed, progress=progress)
        CONSOLE.print(f"{implementation.bitstream or 'out of context'}: {outcome(implementation)}")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
