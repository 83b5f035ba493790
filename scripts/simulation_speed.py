"""Speed of the RTL simulation: how long a core compiles, how many clock cycles a second it runs.

`python -m macaw.scripts.simulation_speed --help`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..boards.accelerator import Accelerator, Images
from ..boards.catalog import find_board
from ..compiler.compilation import compile_graph
from ..compiler.model_import import import_model
from ..hw.config import EngineConfig
from ..hw.emit import write_verilog
from ..hw.engine import Engine
from ..sim.core_simulation import CoreSimulation
from .build_folder import board_budget
from .console import CONSOLE, run_command
from .demo import example
from .generate import parse_array

__all__ = ["Speed", "main", "measure"]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """``compile_seconds``: Verilator and the C++ compiler. ``cycles``: clock cycles of ``inferences`` inferences, the host's
    accesses to the core's port included; ``seconds``: the time that these took."""

    config: EngineConfig
    compile_seconds: float
    inferences: int
    cycles: int
    seconds: float

    @property
    def cycles_per_second(self) -> float:
        """Clock cycles simulated in a second."""
        return self.cycles / self.seconds


def measure(model: Path, board: str, array: tuple[int, int, int], inferences: int, folder: Path) -> Speed:
    """Compile the core of ``model`` in ``folder`` and let it run random inputs; loading the network is not measured."""
    graph = import_model(model)
    compilation = compile_graph(graph, board_budget(find_board(board)), array=array)
    graph, program = compilation.graph, compilation.program
    write_verilog(Engine(compilation.config), folder / "core.v", name="core")
    started = time.monotonic()
    simulation = CoreSimulation(folder / "core.v", folder)
    compile_seconds = time.monotonic() - started
    shape = (inferences, *graph.tensors[graph.input].shape)
    inputs = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)
    with simulation as core:
        engine = Accelerator(core, compilation.config, program.maps, wait=core.wait)
        engine.check_identity()
        engine.load(Images(program.program, program.taps, program.weights))
        cycles, seconds = core.cycles, core.seconds
        for values in inputs:
            engine.infer(graph.input, graph.output, values)
        return Speed(
            config=compilation.config,
            compile_seconds=compile_seconds,
            inferences=inferences,
            cycles=core.cycles - cycles,
            seconds=core.seconds - seconds,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="simulation_speed", description="Clock cycles a second of the simulated core.")
    parser.add_argument("--model", type=Path, default=example("digits_int8.onnx"))
    parser.add_argument("--board", default="ulx3s-85f")
    parser.add_argument("--array", default="4,8,4", help="p,m,n")
    parser.add_argument("--inferences", type=int, default=360)
    arguments = parser.parse_args(argv)
    if arguments.inferences < 1:
        parser.error("--inferences is at least 1")

    def command() -> None:
        array = parse_array(arguments.array)
        with tempfile.TemporaryDirectory() as folder:
            speed = measure(arguments.model, arguments.board, array, arguments.inferences, Path(folder))
        CONSOLE.print(
            f"core {speed.config}: compiled in {speed.compile_seconds:.1f} s; {speed.inferences:,} inferences, "
            f"{speed.cycles:,} clock cycles in {speed.seconds:.2f} s: {speed.cycles_per_second:,.0f} cycles a second on one core"
        )

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
