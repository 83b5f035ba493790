"""Models with stored reference outputs, built and verified: the README's MLPerf Tiny table. `python -m macaw.scripts.benchmark --help`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..boards.catalog import find_board
from ..boards.toolchain import Implementation, TimingMissed
from ..compiler.graph import Convolution, Graph
from ..compiler.model_import import import_model, model_rounding
from ..hw.errors import CheckFailed, UserError
from ..sim.reference import open_reference
from .benchmark_table import SECTION, write_tables
from .build_folder import Build
from .console import CONSOLE, Stages, run_command, stages
from .generate import generate, parse_array
from .staged_data import find_models, load_staged, model_name, unpacked
from .synthesize import synthesize_build
from .verification import Verification, verify_build

__all__ = ["Benchmark", "main", "network_size", "run_benchmark", "store"]


@dataclass
class _Clock:
    """Passes progress on and keeps when each stage began and was last heard of."""

    progress: Stages
    begun: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    def __call__(self, stage: str, fraction: float, text: str) -> None:
        self.ended[stage] = time.monotonic()
        self.begun.setdefault(stage, self.ended[stage])
        self.progress(stage, fraction, text)

    def seconds(self) -> dict[str, float]:
        """Elapsed time of each stage."""
        return {stage: round(self.ended[stage] - begun, 2) for stage, begun in self.begun.items()}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is run, and how far. ``rtl_inputs``: inputs that the RTL takes; ``layer_inputs``: those of them of which every
    layer's map is compared. Golden model and reference take all."""

    boards: tuple[str, ...]
    array: tuple[int, int, int] | None = None
    clock_mhz: float | None = None
    rtl_inputs: int = 10
    layer_inputs: int = 1
    route: bool = False
    seed: int = 1


def network_size(graph: Graph) -> tuple[int, int]:
    """Multiplications of an inference and weights, in the source model's layers; pooling has neither."""
    layers = [
        node for node in graph.nodes
        if isinstance(node, Convolution) and not any(word in node.operator.upper() for word in ("POOL", "MEAN"))
    ]  # fmt: skip
    products = sum(
        height * width * node.weights.size
        for node in layers
        for height, width, _ in (graph.tensors[node.output].shape,)
    )
    return products, sum(node.weights.size for node in layers)


def run_benchmark(model: Path, board: str, plan: Benchmark, folder: Path, *, progress: Stages) -> dict[str, Any]:
    """One row of the table: ``model`` built for ``board`` in ``folder`` and verified. Raises UserError if it does not fit."""
    clock = _Clock(progress)
    with tempfile.TemporaryDirectory() as temporary:
        source = unpacked(model, Path(temporary))
        rounding = model_rounding(source, None)
        graph = import_model(source, rounding)
        inputs, reference = load_staged(model, graph)
        build = generate(source, board, folder, array=plan.array, clock_mhz=plan.clock_mhz, progress=clock)
    implementation = None
    if plan.route:
        try:
            implementation = synthesize_build(build, seed=plan.seed, progress=clock)
        except TimingMissed as missed:  # a figure, too
            implementation = missed.implementation
    reference = replace(reference, interpreter=open_reference(build.model, build.compilation.graph, rounding))
    result = verify_build(
        build, inputs, limit=plan.rtl_inputs, layers=plan.layer_inputs, reference=reference, progress=clock
    )
    products, weights = network_size(graph)
    row = _row(build, result, implementation, clock.seconds())
    return {"model": model_name(model), "products": products, "weights": weights} | row


def _row(
    build: Build, result: Verification, implementation: Implementation | None, seconds: dict[str, float]
) -> dict[str, Any]:
    manifest, config = build.manifest, build.compilation.config
    whole = result.rows[-1]
    layers = result.rows[: -2 if result.inputs > result.rtl_inputs else -1]  # behind them the outputs, of the RTL's inputs and of all
    rtl = [row for row in result.rows if row.rtl_differences is not None]
    return {
        "board": build.board.name,
        "title": build.board.title,
        "array": [config.p, config.m, config.n],
        "depth": config.depth,
        "cycles": result.cycles,
        "predicted_cycles": result.predicted_cycles,
        "utilization": manifest["utilization"],
        "clock_hz": manifest["clock_hz"],
        "inferences_per_second": manifest["clock_hz"] / result.cycles,
        "reference": result.reference,
        "inputs": result.inputs,
        "outputs": whole.elements,
        "reference_differences": whole.reference_differences,
        "rtl_inputs": result.rtl_inputs,
        "layer_inputs": layers[0].inputs if layers else 0,
        "layers": len(layers),
        "layer_elements": sum(row.elements for row in layers),
        "layer_reference_differences": sum(row.reference_differences or 0 for row in layers),
        "rtl_differences": sum(row.rtl_differences or 0 for row in rtl),
        "accuracy": {source: share for source, share in result.accuracy.items() if source != "rtl"},
        "rtl_accuracy": result.limited_accuracy,
        "deviations": len(manifest["deviations"]),
        "implementation": None if implementation is None else {
            "fmax_hz": implementation.fmax_hz, "seed": implementation.seed, "resources": asdict(implementation.resources)
        },
        "simulation_cycles_per_second": round(result.cycles_per_second),
        "seconds": seconds,
        "macaw": __version__,
        "python": platform.python_version(),
    }  # fmt: skip


def _problem(row: dict[str, Any]) -> str:
    """What is not equal in a row; "" if all is, or if the build says itself where it differs from the reference."""
    found = []
    if row["rtl_differences"]:
        found.append(f"{row['rtl_differences']:,} elements of the RTL differ from the golden model")
    if row["cycles"] != row["predicted_cycles"]:
        found.append(f"{row['cycles']:,} cycles, {row['predicted_cycles']:,} predicted")
    if row["reference_differences"] and not row["deviations"]:
        found.append(f"{row['reference_differences']:,} of {row['outputs']:,} outputs differ from {row['reference']}")
    implementation = row["implementation"]
    if implementation and implementation["fmax_hz"] < row["clock_hz"]:
        found.append(f"{implementation['fmax_hz'] / 1e6:.1f} MHz, {row['clock_hz'] / 1e6:g} wanted")
    return "; ".join(found)


def store(rows: Sequence[dict[str, Any]], path: Path, command: str) -> None:
    """Put ``rows`` into the data file, in the place of those of the same model and board; the others stay."""
    try:
        kept = json.loads(path.read_text())["rows"] if path.is_file() else []
        places = [(row["model"], row["board"]) for row in kept]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a data file of this command: choose another with -o, or remove it.") from error
    new = {(row["model"], row["board"]): row | {"command": command} for row in rows}
    kept = [new.pop(place, row) for place, row in zip(places, kept, strict=True)] + list(new.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps({"rows": kept}, indent=1) + "\n")
    os.replace(temporary, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="benchmark", description="Models with stored reference outputs, built, verified, and put into a table."
    )
    parser.add_argument("models", type=Path, nargs="*", help="models, or folders of models, each with its NAME_ref.npz")
    parser.add_argument("--board", action="append", dest="boards", help="once for each board; ulx3s-85f without")
    parser.add_argument("--array", help="p,m,n; chosen by the compiler if left out")
    parser.add_argument("--clock", type=float, help="MHz")
    parser.add_argument("--rtl", type=int, default=10, metavar="N", help="inputs for the RTL (10)")
    parser.add_argument("--layers", type=int, default=1, metavar="N", help="inputs of which every layer is compared (1)")
    parser.add_argument("--route", action="store_true", help="place and route as well")
    parser.add_argument("--seed", type=int, default=1, help="of the placement")
    parser.add_argument("--work", type=Path, help="folder that keeps the builds")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs", "figures", "mlperf_tiny.json"))
    parser.add_argument("--peers", type=Path, default=Path("docs", "figures", "mlperf_tiny_peers.json"))
    parser.add_argument("--readme", type=Path, help=f"page whose section {SECTION} is written anew from the data")
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser.parse_args(words)
    if not arguments.models and arguments.readme is None:
        parser.error("nothing to do: give models, --readme, or both")

    def command() -> None:
        if arguments.models:
            plan = Benchmark(
                boards=tuple(arguments.boards or ("ulx3s-85f",)),
                array=parse_array(arguments.array) if arguments.array else None,
                clock_mhz=arguments.clock,
                rtl_inputs=max(arguments.rtl, 1),
                layer_inputs=max(arguments.layers, 0),
                route=arguments.route,
                seed=arguments.seed,
            )
            _run_all(find_models(arguments.models), plan, arguments.work, arguments.output)
        if arguments.readme:
            write_tables(arguments.readme, arguments.output, arguments.peers)

    return run_command(command)


def _run_all(models: Sequence[Path], plan: Benchmark, work: Path | None, output: Path) -> None:
    """Every model on every board; the data are stored after each. Raises CheckFailed at the end if something differed."""
    for board in plan.boards:
        find_board(board)
    problems = []
    with tempfile.TemporaryDirectory() as temporary:
        for model in models:
            for board in plan.boards:
                name = f"{model_name(model)} on {board}"
                CONSOLE.print(name, style="bold")
                folder = (work or Path(temporary)) / f"{model_name(model)}-{board}"
                try:
                    with stages() as progress:
                        row = run_benchmark(model, board, plan, folder, progress=progress)
                except (UserError, CheckFailed) as error:
                    problems.append(f"{name}: {error}")
                    CONSOLE.print(problems[-1], style="red")
                    continue
                store([row], output, _command(model, board, plan))
                CONSOLE.print(
                    f"  {' x '.join(map(str, row['array']))}, {row['cycles']:,} cycles, {row['inferences_per_second']:,.0f} "
                    f"inferences a second, {row['outputs'] - row['reference_differences']:,} of {row['outputs']:,} outputs equal, "
                    f"RTL on {row['rtl_inputs']} inputs, {row['layers']} layers on {row['layer_inputs']}"
                )
                if problem := _problem(row):
                    problems.append(f"{name}: {problem}")
                    CONSOLE.print(problem, style="red")
    if problems:
        raise CheckFailed("Not everything is as it should be: " + " ".join(f"{item}." for item in problems))


def _command(model: Path, board: str, plan: Benchmark) -> str:
    """The command that makes one row again."""
    words = ["python -m macaw.scripts.benchmark", model.name, "--board", board]
    if plan.array:
        words += ["--array", ",".join(map(str, plan.array))]
    if plan.clock_mhz is not None:
        words += ["--clock", f"{plan.clock_mhz:g}"]
    words += ["--rtl", str(plan.rtl_inputs), "--layers", str(plan.layer_inputs)]
    if plan.route:
        words += ["--route", "--seed", str(plan.seed)]
    return " ".join(words)


if __name__ == "__main__":
    raise SystemExit(main())
