"""Measures a network on boards, placed and routed with several seeds, and stores the figures that `macaw boards` and the
README show.

`python -m macaw.scripts.board_figures --help`.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .. import __version__
from ..boards.board import Board
from ..boards.catalog import BOARDS, find_board
from ..boards.executable import find_tool
from ..boards.figures import FIGURES, BoardFigures, load_figures, store_figures
from ..boards.flow import flow_of
from ..boards.toolchain import place_and_route, synthesize
from ..boards.top import BoardTop
from ..compiler.compilation import compile_graph
from ..compiler.model_import import import_model
from ..hw.errors import UserError
from .board_table import write_board_table
from .build_folder import board_budget
from .console import CONSOLE, Stages, run_command, stages
from .demo import example
from .generate import generate, parse_array

__all__ = ["OTHERS", "main", "measure"]

OTHERS = ("digits/digits_int8.onnx", "digits/digits_small_int8.onnx", "ecg/ecg_int8.onnx", "eeg/eeg_int8.onnx")
"""Examples whose rate with an engine of the same array is told, too, in the folder of the examples."""


def _others(
    model: Path, board: Board, array: tuple[int, int, int], clock_hz: int, others: Sequence[Path]
) -> dict[str, float]:
    """Inferences a second of those of ``others`` that fit."""
    rates = {}
    for other in others:
        if other.stem == model.stem:
            continue
        try:
            cycles = compile_graph(import_model(other), board_budget(board, clock_hz=clock_hz), array=array).cycles
        except UserError:
            continue
        rates[other.stem] = round(clock_hz / cycles, 2)
    return rates


def measure(
    model: Path,
    board: Board,
    seeds: Sequence[int],
    folder: Path,
    *,
    array: tuple[int, int, int] | None = None,
    clock_mhz: float | None = None,
    known: Mapping[str, BoardFigures] | None = None,
    others: Sequence[Path] = (),
    progress: Stages,
) -> Iterator[BoardFigures]:
    """Figures of ``model`` on ``board``, after each seed anew; a missed clock is a figure, too.

    Synthesized once. Seeds that ``known`` has of the same Verilog, by the board's name, are not placed again. ``others`` are models
    of which only the rate is told. Raises CheckFailed if it does not fit.
    """
    build = generate(model, board.name, folder, array=array, clock_mhz=clock_mhz, progress=progress)
    config, manifest = build.compilation.config, build.manifest
    verilog = hashlib.sha256((folder / "board.v").read_bytes()).hexdigest()
    old = (known or {}).get(board.name)
    fmax_hz = dict(old.fmax_hz) if old is not None and old.verilog == verilog else {}
    wanted = [seed for seed in seeds if str(seed) not in fmax_hz]
    rates = _others(model, board, (config.p, config.m, config.n), manifest["clock_hz"], others)
    if not wanted:
        assert old is not None
        yield replace(old, others=rates)
        return
    top = BoardTop(board, config, manifest["wanted_hz"])
    implementation = folder / "implementation"
    implementation.mkdir()
    netlist, arguments, _ = synthesize(top, board, implementation, clock_hz=top.clock_hz, progress=progress)
    for seed in wanted:
        achieved, used, _ = place_and_route(
            implementation, board, arguments, seed=seed, clock_hz=top.clock_hz, netlist=netlist, progress=progress
        )
        fmax_hz[str(seed)] = achieved
        words = ["python -m macaw.scripts.board_figures", Path(model).name, "--board", board.name]
        words += ["--array", ",".join(map(str, array))] if array else []
        words += ["--clock", f"{clock_mhz:g}"] if clock_mhz else []
        words += ["--seeds", ",".join(fmax_hz)]
        row = BoardFigures(
            board=board.name, network=Path(model).stem, array=(config.p, config.m, config.n), depth=config.depth,
            cycles=manifest["cycles"], clock_hz=manifest["clock_hz"],
            inferences_per_second=round(manifest["inferences_per_second"], 2), fmax_hz=dict(fmax_hz), verilog=verilog,
            others=rates, command=" ".join(words), **used.to_dict(),
            versions={"macaw": __version__, **{name: find_tool(name).version for name in ("yosys", flow_of(board).nextpnr)}},
        )  # fmt: skip
        if old is not None and len(fmax_hz) > 1 and old.verilog == verilog:
            # The cells are those of the first seed.
            row = replace(row, luts=old.luts, registers=old.registers)
        old = row
        yield row


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="board_figures", description="Figures of boards, placed and routed.")
    parser.add_argument("model", type=Path, nargs="?", default=example("digits_int8.onnx"))
    parser.add_argument("--board", action="append", default=[], help="may be repeated; none: only the table is written")
    parser.add_argument("--array", help="p,m,n; chosen by the compiler if left out")
    parser.add_argument("--clock", type=float, help="MHz; the board's if left out")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--data", type=Path, default=FIGURES, help="file that the figures go into")
    parser.add_argument("--readme", type=Path, help="page whose table of boards is written anew")
    arguments = parser.parse_args(argv)

    def command() -> None:
        words = arguments.seeds.split(",")
        if not all(word.strip().isdecimal() for word in words):
            raise UserError(f"--seeds is a list of numbers, as in 1,2,3, not {arguments.seeds[:40]!r}.")
        array = parse_array(arguments.array) if arguments.array else None
        others = [example("digits_int8.onnx").parents[1] / name for name in OTHERS]
        for board in map(find_board, arguments.board):
            with tempfile.TemporaryDirectory(dir=".") as folder, stages() as progress:
                for row in measure(
                    arguments.model, board, [int(word) for word in words], Path(folder, "build"), array=array,
                    clock_mhz=arguments.clock, known=load_figures(arguments.data), others=others, progress=progress,
                ):  # fmt: skip
                    store_figures(row, BOARDS, arguments.data)
            row = load_figures(arguments.data)[board.name]
            CONSOLE.print(f"{row.board}: median {row.median_fmax_hz / 1e6:.1f} MHz of {len(row.fmax_hz)}, {row.luts:,} LUTs; stored in {arguments.data}")
        if arguments.readme is not None:
            write_board_table(arguments.readme, load_figures(arguments.data))

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
