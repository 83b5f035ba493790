"""The bundled example from model to simulated board. `macaw demo`."""

from __future__ import annotations

import time
from importlib import resources
from pathlib import Path

from rich.text import Text

from ..boards.catalog import find_board
from ..boards.flow import flow_of
from ..compiler.model_import import import_model
from ..hw.errors import CheckFailed
from .background import Background
from .console import CONSOLE, stages
from .generate import generate
from .inputs import load_inputs
from .run import run_build, show_run
from .simulate import show_verification
from .synthesize import synthesize_build
from .verification import verify_build

__all__ = ["DEFAULT_BOARD", "demo", "example"]

DEFAULT_BOARD = "ulx3s-85f"

_RUN_INPUTS = 10

_ARRAY = (4, 8, 4)
"""The array on the default board: half of what the compiler would take there, and placed and routed in half the time."""


def example(name: str) -> Path:
    """A file of the bundled example."""
    return Path(str(resources.files("macaw.examples").joinpath("digits", name)))


def demo(folder: Path, board: str, *, route: bool = True) -> None:
    """Build, verify and run the digits network; end with a summary.

    Raises UserError, before anything is made, for a board that only its vendor's tool routes; CheckFailed if outputs differ.
    """
    started = time.monotonic()
    if route:
        flow_of(find_board(board))
    model, heldout = example("digits_int8.onnx"), example("heldout.npz")
    inputs = load_inputs(heldout, import_model(model))
    CONSOLE.print("A network that reads handwritten digits, from ONNX to a board.")
    with stages() as progress:
        build = generate(model, board, folder, array=_ARRAY if board == DEFAULT_BOARD else None, progress=progress)
        with Background(lambda report: synthesize_build(build, progress=report) if route else None, progress) as job:
            result = verify_build(build, inputs, progress=progress)
            run = run_build(build, None, inputs.first(_RUN_INPUTS), progress=progress)
            implementation = job.result()
    show_verification(result)
    show_run(run)
    if not result.equal or run.differences:
        raise CheckFailed("The outputs are not equal; the table above says where.")
    config = build.compilation.config
    seconds = time.monotonic() - started
    CONSOLE.print()
    CONSOLE.print(Text.assemble(("It works.", "bold green"), f" What happened in {seconds:.0f} s:"))
    CONSOLE.print(f"  1. The model's {len(result.rows) - 1} layers were compiled for an engine of {config} ({config.p * config.m * config.n} products a cycle).")
    CONSOLE.print(f"  2. Its Verilog was simulated on {result.inputs} real digits: every number equals the golden model's"
                  + (f" and {result.reference}'s." if result.reference else "."))
    CONSOLE.print(f"  3. A simulated {build.board.title} was loaded over its serial port and read {run.inputs} digits.")
    if implementation is not None:
        used = implementation.resources
        CONSOLE.print(
            f"  4. The bitstream was placed and routed: {implementation.fmax_hz / 1e6:.0f} MHz reached, "
            f"{implementation.clock_hz / 1e6:g} MHz used, {used.luts:,} LUTs, {used.block_rams} block RAMs, {used.multipliers} multipliers."
        )
        rate = implementation.clock_hz / run.cycles
        CONSOLE.print(f"     The board will read {rate:,.0f} digits a second, {100 * result.accuracy.get('rtl', 0):.1f} % of them right.")
    CONSOLE.print(f"Everything is in {folder}: open {folder / 'report.html'}.")
    if implementation is not None and implementation.bitstream is not None:
        CONSOLE.print(
            f"With the board at hand: {find_board(board).program} {folder / implementation.bitstream.name}, "
            f"then macaw run {folder} --port /dev/ttyUSB0 --inputs {heldout}"
        )
