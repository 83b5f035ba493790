"""A build on a board, or on the simulated board, over its serial port. `python -m macaw.scripts.run --help`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boards.accelerator import Accelerator
from ..hw.errors import CheckFailed, UserError
from ..sim.golden_network import GoldenNetwork, model_output, quantize_input
from .board_link import find_build_port, load_network, open_board
from .build_folder import Build, load_build
from .console import CONSOLE, Stages, run_command, stages
from .inputs import Inputs, load_inputs, random_inputs

__all__ = ["Run", "main", "run_build", "run_folder", "show_run"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Outcome of a run. ``outputs`` are the model's outputs; ``differences``: elements that are not the golden model's."""

    outputs: NDArray[Any] = field(repr=False)
    inputs: int
    differences: int
    cycles: int
    clock_hz: int
    load_seconds: float
    run_seconds: float
    repetitions: int
    accuracy: float | None
    simulated: bool


def run_build(build: Build, port: str | None, inputs: Inputs, *, progress: Stages) -> Run:
    """Load the network over ``port`` (the simulated board if None), run all inputs, compare with the golden model."""
    graph = build.compilation.graph
    integers = quantize_input(graph, inputs.values)
    golden = GoldenNetwork(graph, build.compilation.certified).run(integers)[graph.output]
    found = np.zeros_like(golden)
    with open_board(build, port, progress) as (link, simulated):
        engine = Accelerator(
            link, build.compilation.config, build.compilation.program.maps, spilled=build.compilation.program.spilled,
            timeout=600.0 if simulated else 10.0,
        )  # fmt: skip
        started = time.monotonic()
        load_network(build, engine, progress)
        load_seconds = time.monotonic() - started
        started = time.monotonic()
        for index, values in enumerate(integers):
            found[index] = engine.infer(graph.input, graph.output, values)
            progress("run", (index + 1) / len(integers), f"{index + 1} of {len(integers)} inputs")
        run_seconds = time.monotonic() - started
        cycles, _ = engine.cycles()
        clock_hz = engine.clock_hz()
        repetitions = link.repetitions
    outputs = model_output(graph, found)
    return Run(
        outputs=outputs,
        inputs=len(integers),
        differences=int((found != golden).sum()),
        cycles=cycles,
        clock_hz=clock_hz,
        load_seconds=load_seconds,
        run_seconds=run_seconds,
        repetitions=repetitions,
        accuracy=inputs.accuracy(outputs),
        simulated=simulated,
    )


def show_run(run: Run) -> None:
    """Print what happened."""
    where = "simulated board" if run.simulated else "board"
    CONSOLE.print(f"{run.inputs:,} inferences on the {where}: {run.cycles:,} cycles each, {1e6 * run.cycles / run.clock_hz:,.1f} µs at {run.clock_hz / 1e6:g} MHz")
    if run.accuracy is not None:
        CONSOLE.print(f"right classes: {100 * run.accuracy:.2f} %")
    if run.repetitions:
        CONSOLE.print(f"frames sent again: {run.repetitions}")


def run_folder(
    folder: Path, port: str | None, simulate: bool, inputs: Path | None, save: Path | None, limit: int | None = None
) -> None:
    """`macaw run`, at the only board that is connected where no port is named. Raises CheckFailed if an output is not the
    golden model's."""
    if port is not None and simulate:
        raise UserError("Say where to run: --port with the board's serial port, or --simulate for the simulated board.")
    if save is not None and (save.is_dir() or not save.parent.is_dir()):
        raise UserError(f"The outputs cannot be written to {save}: name a file in a folder that exists.")
    build = load_build(folder)
    graph = build.compilation.graph
    chosen = random_inputs(graph, 4, seed=1) if inputs is None else load_inputs(inputs, graph)
    if limit is not None:
        chosen = chosen.first(limit)
    where = None if simulate else find_build_port(build) if port is None else port
    with stages() as progress:
        run = run_build(build, where, chosen, progress=progress)
    show_run(run)
    if save is not None:
        try:
            arrays: dict[str, Any] = {graph.output_name: run.outputs}
            with save.open("wb") as file:  # of this very name
                np.savez(file, **arrays)
        except OSError as error:
            raise UserError(f"The outputs cannot be written to {save} ({error.strerror}).") from error
        CONSOLE.print(f"outputs: {save}")
    if run.differences:
        raise CheckFailed(f"{run.differences} output elements differ from the golden model.")
    CONSOLE.print("every output equals the golden model", style="green")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="run", description="Run a build on a board over its serial port.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--inputs", type=Path)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args(argv)
    return run_command(
        lambda: run_folder(
            arguments.folder, arguments.port, arguments.simulate, arguments.inputs, arguments.save, arguments.limit
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
