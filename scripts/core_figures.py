"""Figures of the core alone, placed and routed without a board around it. `python -m macaw.scripts.core_figures --help`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..boards.catalog import find_board
from ..boards.out_of_context import implement_component
from ..compiler.compilation import compile_graph
from ..compiler.model_import import import_model
from ..hw.engine import Engine
from .build_folder import board_budget
from .console import CONSOLE, run_command, stages
from .demo import example
from .generate import parse_array

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="core_figures", description="LUTs and Fmax of the core of a network alone.")
    parser.add_argument("--model", type=Path, default=example("digits_int8.onnx"))
    parser.add_argument("--board", default="ulx3s-85f")
    parser.add_argument("--array", default="4,8,4", help="p,m,n")
    parser.add_argument("--clock", type=float, default=125.0, help="MHz to aim at")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)

    def command() -> None:
        board = find_board(arguments.board)
        compilation = compile_graph(
            import_model(arguments.model), board_budget(board), array=parse_array(arguments.array)
        )
        with tempfile.TemporaryDirectory(dir=".") as folder, stages() as progress:
            result = implement_component(
                Engine(compilation.config),
                Path(folder),
                board=board,
                seed=arguments.seed,
                clock_hz=round(arguments.clock * 1e6),
                progress=progress,
            )
        used = result.resources
        CONSOLE.print(
            f"core {compilation.config} on {board.part}, seed {result.seed}: {result.fmax_hz / 1e6:.1f} MHz, {used.luts:,} LUT4, "
            f"{used.registers:,} registers, {used.block_rams} block RAMs, {used.multipliers} multipliers"
        )

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
