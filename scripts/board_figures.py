"""Measures a network on a board, placed and routed with several seeds, and stores the figures that `macaw boards` shows.

`python -m macaw.scripts.board_figures --help`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..boards.board import Board
from ..boards.catalog import BOARDS, find_board
from ..boards.figures import FIGURES, BoardFigures, store_figures
from ..boards.toolchain import TimingMissed, implement
from ..boards.top import BoardTop
from ..hw.errors import UserError
from .console import CONSOLE, Stages, run_command, stages
from .demo import example
from .generate import generate, parse_array

__all__ = ["main", "measure"]


def measure(
    model: Path, board: Board, seeds: Sequence[int], folder: Path, *, array: tuple[int, int, int] | None = None,
    progress: Stages,
) -> BoardFigures:  # fmt: skip
    """Figures of ``model`` on ``board``; a missed clock is a figure, too. Raises CheckFailed if it does not fit."""
    build = generate(model, board.name, folder, array=array, progress=progress)
    config, manifest = build.compilation.config, build.manifest
    results = []
    for seed in seeds:
        top = BoardTop(board, config, manifest["wanted_hz"])
        try:
            result = implement(top, board, folder / "implementation", seeds=(seed,), clock_hz=top.clock_hz, progress=progress)
        except TimingMissed as missed:
            result = missed.implementation
        results.append(result)
    words = ["python -m macaw.scripts.board_figures", Path(model).name, "--board", board.name]
    words += ["--array", ",".join(map(str, array))] if array else []
    words += ["--seeds", ",".join(map(str, seeds))]
    first = results[0]
    return BoardFigures(
        board=board.name, network=Path(model).stem, array=(config.p, config.m, config.n), depth=config.depth,
        cycles=manifest["cycles"], clock_hz=manifest["clock_hz"],
        inferences_per_second=round(manifest["inferences_per_second"], 2),
        fmax_hz={str(result.seed): result.fmax_hz for result in results},
        versions={"macaw": __version__, **first.versions}, command=" ".join(words), **first.resources.to_dict(),
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="board_figures", description="Figures of a board, placed and routed.")
    parser.add_argument("model", type=Path, nargs="?", default=example("digits_int8.onnx"))
    parser.add_argument("--board", required=True)
    parser.add_argument("--array", help="p,m,n; chosen by the compiler if left out")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--data", type=Path, default=FIGURES, help="file that the figures go into")
    arguments = parser.parse_args(argv)

    def command() -> None:
        words = arguments.seeds.split(",")
        if not all(word.strip().isdecimal() for word in words):
            raise UserError(f"--seeds is a list of numbers, as in 1,2,3, not {arguments.seeds[:40]!r}.")
        array = parse_array(arguments.array) if arguments.array else None
        with tempfile.TemporaryDirectory(dir=".") as folder, stages() as progress:
            row = measure(
                arguments.model, find_board(arguments.board), [int(word) for word in words], Path(folder), array=array,
                progress=progress,
            )  # fmt: skip
        store_figures(row, BOARDS, arguments.data)
        CONSOLE.print(f"{row.board}: median {row.median_fmax_hz / 1e6:.1f} MHz of {len(row.fmax_hz)}, {row.luts:,} LUTs; stored in {arguments.data}")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
