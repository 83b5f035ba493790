"""Random networks on random engines: RTL = golden model = cycle model. `python -m macaw.scripts.random_networks --help`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..boards.accelerator import Accelerator, Images
from ..compiler.certified_addition import CertifiedAddition
from ..compiler.certified_requantization import CertifiedRequantization
from ..compiler.graph import Convolution, Graph
from ..compiler.input_folding import first_layer, fold_input, foldings
from ..compiler.network_plan import NetworkPlan, plan_network
from ..compiler.number_formats import choose_formats, engine_formats
from ..compiler.orientation import turn
from ..compiler.program import assemble
from ..compiler.requantize import requantize
from ..hw.config import EngineConfig
from ..hw.emit import write_verilog
from ..hw.engine import Engine
from ..hw.errors import CheckFailed
from ..hw.formats import FORMATS
from ..sim.core_simulation import CoreSimulation
from ..sim.cost.cycles import LayerCycles, layer_cycles, program_cycles
from ..sim.golden_network import GoldenNetwork, quantize_input
from ..sim.random_network import random_engine, random_graph
from ..sim.random_packed_network import random_packed_engine, random_packed_graph
from .console import CONSOLE, run_command

__all__ = ["Outcome", "main", "run_engine", "run_network", "run_packed_engine", "run_plan"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One network on one engine; raising CheckFailed is how a difference is reported."""

    engine: EngineConfig
    layers: str
    cycles: int
    stalls: int


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


def _rewritten(graph: Graph, config: EngineConfig, generator: np.random.Generator) -> Graph:
    """``graph`` turned or not, and folded for the engine, or by any numbers, or as it is."""
    if generator.random() < 0.3:
        graph = turn(graph)
    choices = foldings(graph, config.p, config.m, config.n)
    if choices and generator.random() < 0.5:
        return fold_input(graph, choices[0].rows, choices[0].columns)
    first = first_layer(graph)
    if first is not None and generator.random() < 0.5:
        _, height, width, _ = first.weights.shape
        return fold_input(graph, int(generator.integers(1, height + 1)), int(generator.integers(1, width + 1)))
    return graph


def run_network(core: CoreSimulation, config: EngineConfig, graph: Graph, generator: np.random.Generator) -> Outcome:
    """Runs ``graph``, turned or folded in some cases, on a random input, layer by layer and as a whole. Raises
    CheckFailed at the first difference."""
    certified = requantize(graph, config)
    inputs = generator.integers(-128, 128, (1, *graph.tensors[graph.input].shape)).astype(np.int8)
    wanted = GoldenNetwork(graph, certified).run(inputs)[graph.output]
    graph = _rewritten(graph, config, generator)
    in_place = bool(generator.random() < 0.7)
    tile_rows = int(generator.integers(1, 5)) if in_place and generator.random() < 0.5 else 0
    plan = plan_network(graph, config.p, config.m, config.n, in_place=in_place, tile_rows=tile_rows)
    graph = plan.graph
    if any(layer.multiplies and layer.node.output not in certified for layer in plan.layers):
        certified = requantize(graph, config)  # copies were added
    values = quantize_input(graph, inputs.reshape(1, *graph.input_shape[1:]))
    found = GoldenNetwork(graph, certified).run(values)[graph.output]
    if (found.reshape(1, -1)[:, graph.output_order] != wanted.reshape(1, -1)).any():
        raise CheckFailed(f"network {_describe(graph)}: folding or turning has changed the output.")
    return run_plan(core, config, plan, certified, values)


def run_plan(
    core: CoreSimulation,
    config: EngineConfig,
    plan: NetworkPlan,
    certified: Mapping[str, CertifiedRequantization | CertifiedAddition],
    values: NDArray[np.int8],
) -> Outcome:
    """Runs a planned network on an input, (1, height, width, channels), layer by layer and as a whole: maps and cycles.
    Raises CheckFailed at the first difference."""
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
            raise CheckFailed(f"engine {config!r}, network {_describe(graph)}: {wrong} elements of layer {layer.name} differ.")
    if (engine.infer(graph.input, graph.output, values[0]) != golden[graph.output][0]).any():
        raise CheckFailed(f"engine {config!r}, network {_describe(graph)}: the output of an uninterrupted run differs.")
    cycles, stalls = engine.cycles()
    layers = [
        sum((layer_cycles(config, layer.loops(*part)) for part in layer.passes), LayerCycles()) for layer in plan.layers
    ]
    predicted = (program_cycles(config, layers), sum(item.stalls for item in layers))
    if (cycles, stalls) != predicted:
        raise CheckFailed(
            f"engine {config!r}, network {_describe(graph)}: {cycles} cycles with {stalls} stalls, the model says {predicted}."
        )
    return Outcome(engine=config, layers=_describe(graph), cycles=cycles, stalls=stalls)


def run_engine(seed: int, folder: Path, *, networks: int, largest: int = 6) -> Iterator[Outcome]:
    """``networks`` random networks on the random engine of ``seed``. Raises CheckFailed at the first difference."""
    generator = np.random.default_rng(seed)
    config = random_engine(generator, largest)
    write_verilog(Engine(config), folder / "core.v", name="core")
    with CoreSimulation(folder / "core.v", folder) as core:
        for _ in range(networks):
            graph = random_graph(
                generator, adding=config.adding, joining=config.part_pitch == 1, two_roundings=config.nudge > 0
            )
            yield run_network(core, config, graph, generator)


def run_packed_engine(
    seed: int, folder: Path, *, networks: int, formats: Sequence[str] = tuple(FORMATS), largest: int = 3, joining: bool = True
) -> Iterator[Outcome]:
    """``networks`` random networks of maps and weights of ``formats``, with ``joining`` sums and concatenations of maps, on a
    random engine that knows what they need.

    Raises CheckFailed at the first difference.
    """
    generator = np.random.default_rng(seed)
    graphs = [
        choose_formats(random_packed_graph(generator, formats=tuple(formats), sums=number % 2 == 1, joining=joining))
        for number in range(networks)
    ]
    config = random_packed_engine(generator, reduce(or_, map(engine_formats, graphs)), largest, joining=joining)
    write_verilog(Engine(config), folder / "core.v", name="core")
    with CoreSimulation(folder / "core.v", folder) as core:
        for graph in graphs:
            tensor = graph.tensors[graph.input]
            members = np.array(FORMATS[tensor.format].members, np.int8)
            values = generator.choice(members, (1, *tensor.shape)).astype(np.int8)
            plan = plan_network(graph, config.p, config.m, config.n, in_place=bool(generator.random() < 0.7))
            yield run_plan(core, config, plan, requantize(plan.graph, config), values)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="random_networks", description="Random networks on random engines.")
    parser.add_argument("--engines", type=int, default=10)
    parser.add_argument("--networks", type=int, default=5, help="on each engine")
    parser.add_argument("--seed", type=int, default=1, help="of the first engine; the next ones count up")
    parser.add_argument("--packed", action="store_true", help="maps and weights of few bits, too")
    arguments = parser.parse_args(argv)
    run = run_packed_engine if arguments.packed else run_engine

    def command() -> None:
        for seed in range(arguments.seed, arguments.seed + arguments.engines):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    for outcome in run(seed, Path(folder), networks=arguments.networks):
                        CONSOLE.print(
                            f"seed {seed}: {outcome.engine}: equal, {outcome.cycles:,} cycles ({outcome.stalls:,} stalls): "
                            f"{outcome.layers}"
                        )
                except CheckFailed as error:
                    raise CheckFailed(f"Seed {seed}: {error}") from error

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
