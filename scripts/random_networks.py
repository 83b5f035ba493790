"""Random networks on random engines: RTL = golden model = cycle model. `python -m macaw.scripts.random_networks --help`."""

from __future__ import annotations

import argparse
import json
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boards.accelerator import Accelerator, Images
from ..compiler.certified_addition import CertifiedAddition
from ..compiler.certified_requantization import CertifiedRequantization
from ..compiler.graph import Convolution, Graph
from ..compiler.network_plan import NetworkPlan
from ..compiler.program import assemble
from ..compiler.requantize import requantize
from ..hw.config import EngineConfig
from ..hw.emit import write_verilog
from ..hw.engine import Engine
from ..hw.errors import CheckFailed
from ..hw.formats import FORMATS
from ..sim.core_simulation import CoreSimulation
from ..sim.cost.cycles import LayerCycles, layer_cycles, program_cycles
from ..sim.functional_coverage import covered
from ..sim.golden_network import GoldenNetwork, quantize_input
from ..sim.reduction import Reduction, reduce_trial
from ..sim.trial import Trial, load_trial, random_packed_trials, random_trials, save_trial
from .console import CONSOLE, run_command
from .marked_section import write_section

__all__ = [
    "NetworkFailure",
    "Outcome",
    "TrialFailure",
    "TrialRunner",
    "main",
    "reduce_failure",
    "run_engine",
    "run_packed_engine",
    "run_plan",
    "run_trial",
    "run_trials",
    "section",
]

RECORD = Path("docs", "figures", "random_networks.json")
PAGE = Path("docs", "verification.md")
SECTION = "random"
"""Name of the section of the page."""

_SAME = ("kind", "largest", "first")
"""What two rows of the same seeds have in common."""

_HERE = str(Path(__file__).parents[1])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One network on one engine; raising CheckFailed is how a difference is reported. ``hits``: the bins of functional coverage."""

    engine: EngineConfig
    layers: str
    cycles: int
    stalls: int
    hits: frozenset[tuple[str, str]] = frozenset()


def _describe(graph: Graph) -> str:
    parts = []
    for node in graph.nodes:
        shape = "x".join(map(str, graph.tensors[node.input].shape))
        if isinstance(node, Convolution):
            outputs, height, width, _ = node.weights.shape
            parts.append(
                f"{shape} conv {height}x{width} s{node.stride} p{node.padding} d{node.dilation} g{node.groups} -> {outputs}"
            )
        else:
            parts.append(f"{shape} {node.operator}")
    return "; ".join(parts)


class NetworkFailure(CheckFailed):
    """A difference; ``kind`` is equal for two that look alike."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def run_trial(core: CoreSimulation, trial: Trial) -> Outcome:
    """Runs a trial: the network on its input, layer by layer and as a whole. Raises NetworkFailure at the first difference."""
    config, given = trial.config, trial.plain
    certified = requantize(given, config)
    wanted = GoldenNetwork(given, certified).run(trial.values)[given.output]
    plan = trial.plan
    graph = plan.graph
    same = all(tensor.format == graph.tensors[name].format for name, tensor in given.tensors.items())
    if not same or any(layer.multiplies and layer.node.output not in certified for layer in plan.layers):
        certified = requantize(graph, config)  # other formats, or copies were added
    values = quantize_input(graph, trial.values.reshape(1, *graph.input_shape[1:]))
    found = GoldenNetwork(graph, certified).run(values)[graph.output]
    if (found.reshape(1, -1)[:, graph.output_order] != wanted.reshape(1, -1)).any():
        raise NetworkFailure("rewriting", f"network {_describe(graph)}: folding or turning has changed the output.")
    return run_plan(core, config, plan, certified, values)


def run_plan(
    core: CoreSimulation,
    config: EngineConfig,
    plan: NetworkPlan,
    certified: Mapping[str, CertifiedRequantization | CertifiedAddition],
    values: NDArray[np.int8],
) -> Outcome:
    """Runs a planned network on an input, (1, height, width, channels), layer by layer and as a whole: maps and cycles.
    Raises NetworkFailure at the first difference."""
    graph = plan.graph
    golden = GoldenNetwork(graph, certified).run(values)
    program = assemble(config, plan, certified)
    engine = Accelerator(core, config, program.maps, wait=lambda: core.wait(50_000_000))
    engine.load(Images(program.program, program.taps, program.weights))
    engine.write_map(graph.input, values[0])
    for number, layer in enumerate(program.layers):
        engine.run_layers(len(layer.descriptors), first=number == 0)
        wrong = int((engine.read_map(layer.output) != golden[layer.output][0]).sum())
        if wrong:
            raise NetworkFailure(
                "map", f"engine {config!r}, network {_describe(graph)}: {wrong} elements of layer {layer.name} differ."
            )
    if (engine.infer(graph.input, graph.output, values[0]) != golden[graph.output][0]).any():
        raise NetworkFailure(
            "output", f"engine {config!r}, network {_describe(graph)}: the output of an uninterrupted run differs."
        )
    cycles, stalls = engine.cycles()
    layers = [
        sum((layer_cycles(config, layer.loops(*part)) for part in layer.passes), LayerCycles()) for layer in plan.layers
    ]
    predicted = (program_cycles(config, layers), sum(item.stalls for item in layers))
    if (cycles, stalls) != predicted:
        raise NetworkFailure(
            "cycles",
            f"engine {config!r}, network {_describe(graph)}: {cycles} cycles with {stalls} stalls, the model says {predicted}.",
        )
    hits = covered(config, plan, certified)
    return Outcome(engine=config, layers=_describe(graph), cycles=cycles, stalls=stalls, hits=hits)


class TrialRunner:
    """Runs trials, each engine's simulation is compiled once: in a folder below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def core(self, config: EngineConfig) -> CoreSimulation:
        """The engine's simulation, not yet begun."""
        folder = self.folder / f"{config.identity:016x}"
        if not (folder / "core.v").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_verilog(Engine(config), folder / "core.v", name="core")
        return CoreSimulation(folder / "core.v", folder)

    def failure(self, trial: Trial) -> NetworkFailure | None:
        """What is wrong with a trial, errors of the compiler and an engine that does not end included; None: nothing."""
        try:
            with self.core(trial.config) as core:
                run_trial(core, trial)
        except NetworkFailure as failure:
            return failure
        except Exception as error:  # whatever it is, it is what is looked for
            return _failure_of(error)
        return None


def _failure_of(error: Exception) -> NetworkFailure:
    """An error of the compiler, of the golden model or of the simulation; its kind is where it was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_HERE)]
    where = f"{Path(frames[-1].filename).stem}.{frames[-1].name}" if frames else "?"
    return NetworkFailure(f"{type(error).__name__} in {where}", f"{type(error).__name__} in {where}: {error}")


def run_trials(trials: Sequence[Trial], folder: Path) -> Iterator[Outcome]:
    """Runs the trials of one engine. Raises TrialFailure at the first that fails in any way."""
    if not trials:
        return
    try:
        runner = TrialRunner(folder)
        core = runner.core(trials[0].config)
    except Exception as error:
        raise TrialFailure(trials[0], _failure_of(error)) from error
    with core:
        for trial in trials:
            try:
                outcome = run_trial(core, trial)
            except Exception as error:
                failure = error if isinstance(error, NetworkFailure) else _failure_of(error)
                raise TrialFailure(trial, failure) from error
            yield outcome


class TrialFailure(CheckFailed):
    """A trial that fails, and how."""

    def __init__(self, trial: Trial, failure: NetworkFailure) -> None:
        super().__init__(str(failure))
        self.trial = trial
        self.failure = failure


def reduce_failure(
    found: TrialFailure, folder: Path, *, seconds: float, accepted: Callable[[str, Trial], None]
) -> Reduction:
    """The smallest trial that fails in the same way (sim/reduction.py)."""
    runner = TrialRunner(folder)

    def fails(trial: Trial) -> bool:
        failure = runner.failure(trial)
        return failure is not None and failure.kind == found.failure.kind

    return reduce_trial(found.trial, fails, seconds=seconds, accepted=accepted)


def run_engine(seed: int, folder: Path, *, networks: int, largest: int = 6) -> Iterator[Outcome]:
    """``networks`` random networks on the random engine of ``seed``. Raises TrialFailure at the first difference."""
    return run_trials(random_trials(seed, networks, largest=largest), folder)


def run_packed_engine(
    seed: int, folder: Path, *, networks: int, formats: Sequence[str] = tuple(FORMATS), largest: int = 3, joining: bool = True
) -> Iterator[Outcome]:
    """``networks`` random networks of maps and weights of ``formats``, with ``joining`` sums and concatenations of maps, on a
    random engine that knows what they need. Raises TrialFailure at the first difference."""
    return run_trials(random_packed_trials(seed, networks, formats=formats, largest=largest, joining=joining), folder)


def _report_failure(found: TrialFailure, seed: int, keep: Path, seconds: float) -> None:
    """Reduce a failure, write it to a file, raise CheckFailed."""
    CONSOLE.print(f"seed {seed} fails ({found.failure.kind}): {found}")
    path = keep / f"failure-{seed}.json"
    with tempfile.TemporaryDirectory() as folder:
        save_trial(found.trial, path)
        reduction = reduce_failure(
            found, Path(folder), seconds=seconds, accepted=lambda step, trial: CONSOLE.print(f"  {step}")
        )
    save_trial(reduction.trial, path)
    least = "" if reduction.complete else ", with the time up before the end"
    raise CheckFailed(
        f"Seed {seed}: {found} Reduced in {reduction.attempts} trials{least} to {_describe(reduction.trial.graph)} on "
        f"{reduction.trial.config!r}. Again: python -m macaw.scripts.random_networks --again {path}"
    )


def section(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of docs/verification.md, of the rows of the data file."""
    lines = [
        f"{sum(row['networks'] for row in rows):,} networks on {sum(row['engines'] for row in rows):,} engines.",
        "",
        "| Networks | Arrays up to | Seeds | Engines | Networks tried | Cycles of their programs | Failed |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        seeds = f"{row['first']} to {row['first'] + row['engines'] - 1}"
        lines.append(
            f"| {row['kind']} | {row['largest']} | {seeds} | {row['engines']} | {row['networks']} | {row['cycles']:,} | {row['failed']} |"
        )
    return "\n".join(lines)


def _record(row: Mapping[str, Any]) -> None:
    """Adds a row to the data file, in the place of one of the same seeds, and writes the table."""
    try:
        rows = json.loads(RECORD.read_text())
    except FileNotFoundError:
        rows = []
    rows = [other for other in rows if any(other[name] != row[name] for name in _SAME)]
    rows = sorted([*rows, row], key=lambda item: [item[name] for name in _SAME])
    RECORD.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    write_section(PAGE, SECTION, section(rows))


def run_again(path: Path) -> None:
    """Runs the trial of a file. Raises CheckFailed if it fails."""
    trial = load_trial(path)
    with tempfile.TemporaryDirectory() as folder:
        failure = TrialRunner(Path(folder)).failure(trial)
    if failure is not None:
        raise CheckFailed(f"{path} fails ({failure.kind}): {failure}")
    CONSOLE.print(f"{path}: {trial.config}: equal: {_describe(trial.graph)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="random_networks",
        description="Random networks on random engines. One that fails is reduced to a small one, which is written to a file.",
    )
    parser.add_argument("--engines", type=int, default=10)
    parser.add_argument("--networks", type=int, default=5, help="on each engine")
    parser.add_argument("--seed", type=int, default=1, help="of the first engine; the next ones count up")
    parser.add_argument("--largest", type=int, metavar="N", help="about the largest p, m and n of the engines: 6, with --packed 3")
    parser.add_argument("--packed", action="store_true", help="maps and weights of few bits, too")
    parser.add_argument("--keep", type=Path, default=Path(), metavar="DIR", help="where a failure's file is written")
    parser.add_argument("--seconds", type=float, default=900.0, help="time for the reduction of a failure")
    parser.add_argument("--record", action="store_true", help="add what was tried to the documentation")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run the trial of such a file instead")
    arguments = parser.parse_args(argv)
    largest = arguments.largest or (3 if arguments.packed else 6)
    run = run_packed_engine if arguments.packed else run_engine

    def command() -> None:
        if arguments.again is not None:
            run_again(arguments.again)
            return
        row: dict[str, Any] = {
            "kind": "few bits" if arguments.packed else "bytes", "largest": largest, "first": arguments.seed, "engines": 0,
            "networks": 0, "cycles": 0, "failed": 0, "hits": [],
        }  # fmt: skip
        hits: set[tuple[str, str]] = set()
        for seed in range(arguments.seed, arguments.seed + arguments.engines):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    row["engines"] += 1
                    for outcome in run(seed, Path(folder), networks=arguments.networks, largest=largest):
                        hits |= outcome.hits
                        row |= {"networks": row["networks"] + 1, "cycles": row["cycles"] + outcome.cycles, "hits": sorted(hits)}
                        CONSOLE.print(
                            f"seed {seed}: {outcome.engine}: equal, {outcome.cycles:,} cycles ({outcome.stalls:,} stalls): "
                            f"{outcome.layers}"
                        )
                except TrialFailure as found:
                    row |= {"networks": row["networks"] + 1, "failed": 1}
                    if arguments.record:
                        _record(row)
                    _report_failure(found, seed, arguments.keep, arguments.seconds)
            if arguments.record:
                _record(row)

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
