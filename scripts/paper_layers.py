"""Layers of the accelerator paper's networks on its 8 x 8 x 8 array, in RTL. `python -m macaw.scripts.paper_layers --help`.

Shapes are the paper's, weights and inputs random int8. RTL, golden model and cycle model must agree; the array steps that the paper
counts are printed beside the cycles.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..compiler.graph import Convolution, Graph, Tensor
from ..compiler.network_plan import plan_network
from ..compiler.requantization import FloatRequantization
from ..compiler.requantize import requantize
from ..hw.config import EngineConfig
from ..hw.emit import write_verilog
from ..hw.engine import Engine
from ..hw.errors import UserError
from ..sim.core_simulation import CoreSimulation
from ..sim.energy.layer_shape import LayerShape
from ..sim.energy.networks import NETWORKS
from .console import CONSOLE, run_command, stages
from .generate import parse_array
from .random_networks import Outcome, run_plan

__all__ = ["layer_graph", "main", "run_layers"]


def layer_graph(layer: LayerShape, generator: np.random.Generator) -> Graph:
    """A graph of one convolution with random weights and a scale that spreads its outputs over int8; without the pooling."""
    shapes = {
        "in": (layer.rows, layer.columns, layer.channels),
        "out": (layer.output_rows, layer.output_columns, layer.outputs),
    }
    graph = Graph(name=layer.name, source="", input="in", output="out", input_float=False)
    graph.input_shape, graph.output_shape = (1, *shapes["in"]), (1, *shapes["out"])
    graph.input_order, graph.output_order = (np.arange(int(np.prod(shapes[name]))) for name in ("in", "out"))
    for name, shape in shapes.items():
        graph.tensors[name] = Tensor(name=name, shape=shape, scale=1.0, zero_point=0)
    fan_in = layer.positions * layer.channels // layer.groups
    spread = 40 / (73.6**2 * fan_in**0.5)  # 73.6: deviation of uniform int8
    graph.nodes.append(
        Convolution(
            name=layer.name,
            operator="Conv",
            input="in",
            output="out",
            weights=generator.integers(
                -127, 128, (layer.outputs, *layer.kernel, layer.channels // layer.groups)
            ).astype(np.int8),
            bias=np.zeros(layer.outputs, np.int64),
            requantization=FloatRequantization(scale=np.full(layer.outputs, spread, np.float32), zero_point=0),
            stride=layer.stride,
            padding=(*layer.padding, *layer.padding),
            groups=layer.groups,
        )
    )
    return graph


def run_layers(layers: Sequence[LayerShape], array: tuple[int, int, int], depth: int, folder: Path) -> list[Outcome]:
    """Runs each layer on one engine of ``array`` that holds the largest. Raises CheckFailed at the first difference."""
    p, m, n = array
    plans = [
        plan_network(layer_graph(layer, np.random.default_rng(index)), p, m, n) for index, layer in enumerate(layers)
    ]
    config = EngineConfig(
        p=p,
        m=m,
        n=n,
        depth=depth,
        extent_width=9,
        group_width=max(plan.most_groups for plan in plans).bit_length(),
        feature_depth=max(plan.feature_words for plan in plans),
        weight_depth=max(plan.weight_words(4) for plan in plans),
        tap_depth=max(plan.tap_count for plan in plans),
        accumulator_width=max(16 + (layer.positions * layer.channels).bit_length() for layer in layers),
        pooling=False,
    )
    write_verilog(Engine(config), folder / "core.v", name="core")
    outcomes = []
    with stages() as progress, CoreSimulation(folder / "core.v", folder) as core:
        for number, (layer, plan) in enumerate(zip(layers, plans, strict=True)):
            progress("layers", number / len(layers), layer.name)
            shape = plan.graph.tensors[plan.graph.input].shape
            values = np.random.default_rng(100 + number).integers(-128, 128, (1, *shape)).astype(np.int8)
            outcomes.append(run_plan(core, config, plan, requantize(plan.graph, config), values))
        progress("layers", 1.0, "")
    return outcomes


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="paper_layers", description="Layers of the accelerator paper's networks in RTL."
    )
    parser.add_argument("layers", nargs="*", default=["conv5", "conv7"], help="names; conv5 and conv7 without")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="vgg-11")
    parser.add_argument("--array", default="8,8,8", help="p,m,n")
    parser.add_argument("--depth", type=int, default=16, help="pixel groups that share a read of the weights")
    arguments = parser.parse_args(argv)

    def command() -> None:
        known = {layer.name: layer for layer in NETWORKS[arguments.network]}
        unknown = sorted(set(arguments.layers) - set(known))
        if unknown:
            raise UserError(f"{arguments.network} has no layer {', '.join(unknown)}; it has: {', '.join(known)}.")
        layers = [known[name] for name in arguments.layers]
        array = parse_array(arguments.array)
        with tempfile.TemporaryDirectory() as folder:
            for layer, outcome in zip(layers, run_layers(layers, array, arguments.depth, Path(folder)), strict=True):
                slots = array[0] * array[1] * array[2]
                CONSOLE.print(
                    f"{layer.name}: {outcome.layers}: RTL = golden model = cycle model; {layer.steps(*array):,} steps by the paper's "
                    f"count, {outcome.cycles:,} cycles, {outcome.stalls:,} of them stalls, "
                    f"{100 * layer.products / (outcome.cycles * slots):.1f} % of the slots"
                )

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
