"""Layers of the accelerator paper's networks on its 8 x 8 x 8 array, in RTL. `python -m macaw.scripts.paper_layers --help`.

Shapes are the paper's, weights and inputs random int8. RTL, golden model and cycle model must agree; the array steps that the paper
counts are printed beside the cycles. With ``--docs`` writes docs/figures/paper_layers.json and the table of the whole network between
the markers in docs/energy.md: every layer in the cycle model, with the external bytes of the study's schedule of single layers.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.engine_sizing import MOST_WORDS
from ..compiler.graph import Convolution, Graph, Tensor
from ..compiler.network_plan import NetworkPlan, plan_network
from ..compiler.requantization import FloatRequantization
from ..compiler.requantize import requantize
from ..hw.config import EngineConfig
from ..hw.emit import write_verilog
from ..hw.engine import Engine
from ..hw.errors import UserError
from ..sim.core_simulation import CoreSimulation
from ..sim.cost.cycles import LayerCycles, layer_cycles, program_cycles
from ..sim.energy.energy_model import SCHEDULES, Design, schedule
from ..sim.energy.layer_shape import LayerShape
from ..sim.energy.memory_technology import ACCUMULATORS, RRAM, SRAM
from ..sim.energy.networks import NETWORKS
from .console import CONSOLE, run_command, stages
from .generate import parse_array
from .marked_section import write_section
from .random_networks import Outcome, run_plan

__all__ = ["SECTION", "layer_graph", "main", "network_figures", "run_layers", "table"]

SECTION = "paper-layers"
"""Name of the section of the page."""


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


def _engine(
    layers: Sequence[LayerShape], plans: Sequence[NetworkPlan], array: tuple[int, int, int], depth: int
) -> EngineConfig:
    """The engine of ``array`` that holds the largest of the layers."""
    p, m, n = array
    return EngineConfig(
        p=p,
        m=m,
        n=n,
        depth=depth,
        extent_width=9,
        group_width=max(plan.most_groups for plan in plans).bit_length(),
        # The paper's maps stream through smaller memories; cycles do not depend on what is beyond the address space.
        feature_depth=min(max(plan.feature_words for plan in plans), MOST_WORDS),
        weight_depth=max(plan.weight_words(4) for plan in plans),
        tap_depth=max(plan.tap_count for plan in plans),
        accumulator_width=max(16 + (layer.positions * layer.channels).bit_length() for layer in layers),
        pooling=False,
    )


def _plans(layers: Sequence[LayerShape], array: tuple[int, int, int]) -> list[NetworkPlan]:
    return [
        plan_network(layer_graph(layer, np.random.default_rng(index)), *array) for index, layer in enumerate(layers)
    ]


def run_layers(layers: Sequence[LayerShape], array: tuple[int, int, int], depth: int, folder: Path) -> list[Outcome]:
    """Runs each layer on one engine of ``array`` that holds the largest. Raises CheckFailed at the first difference."""
    plans = _plans(layers, array)
    config = _engine(layers, plans, array, depth)
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


def network_figures(
    network: str, array: tuple[int, int, int], depth: int, outcomes: Mapping[str, Outcome]
) -> dict[str, Any]:
    """Every layer of a network by itself: the paper's steps, the cycle model's cycles on an engine for it, those of the RTL
    where it was run, and its external bytes by kind in the smallest buffers of the study, layer by layer.

    ``outcomes``: by layer; they give the engine of their layers.
    """
    layers = NETWORKS[network]
    p, m, n = array
    design = Design(features=SRAM[0], weights=RRAM[0], accumulator=ACCUMULATORS[1], p=p, m=m, n=n)
    traffic = [segment.traffic for segment in schedule(layers, design, SCHEDULES[0]).segments]
    rows = []
    for layer, plan, moved in zip(layers, _plans(layers, array), traffic, strict=True):
        outcome = outcomes.get(layer.name)
        config = outcome.engine if outcome else _engine([layer], [plan], array, depth)
        parts = [layer_cycles(config, item.loops(tile, run)) for item in plan.layers for tile, run in item.passes]
        cycles = program_cycles(config, [sum(parts, LayerCycles())])
        rows.append(
            {
                "name": layer.name,
                "products": layer.products,
                "steps": layer.steps(p, m, n),
                "cycles": cycles,
                "rtl_cycles": outcome.cycles if outcome else None,
                "weights": moved.weights,
                "features_read": moved.features_read,
                "features_written": moved.features_written,
            }
        )
    return {
        "network": network, "array": list(array), "depth": depth, "layers": rows,
        "buffers": f"{design.features.name} feature buffers, {design.weights.name} weight buffer",
    }  # fmt: skip


def table(figures: Mapping[str, Any]) -> str:
    """Markdown of the measurements."""
    slots = figures["array"][0] * figures["array"][1] * figures["array"][2]
    lines = [
        "| Layer | Steps, paper's count | Cycles, cycle model | Cycles, RTL | Slots used | Weights read | Features read | Features written |",
        "|---|" + "---:|" * 7,
    ]
    names = ("steps", "cycles", "weights", "features_read", "features_written", "products")
    total = {name: sum(row[name] for row in figures["layers"]) for name in names}
    for row in [*figures["layers"], total | {"name": "all", "rtl_cycles": None}]:
        rtl = f"{row['rtl_cycles']:,}" if row["rtl_cycles"] else ""
        used = f"{100 * row['products'] / (row['cycles'] * slots):.1f} %"
        moved = " | ".join(f"{row[name]:,}" for name in names[2:5])
        lines.append(f"| {row['name']} | {row['steps']:,} | {row['cycles']:,} | {rtl} | {used} | {moved} |")
    array = " x ".join(map(str, figures["array"]))
    return f"{figures['network']} on {array}, depth {figures['depth']}; {figures['buffers']}.\n\n" + "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="paper_layers", description="Layers of the accelerator paper's networks in RTL."
    )
    parser.add_argument("layers", nargs="*", default=["conv5", "conv7"], help="names; conv5 and conv7 without")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="vgg-11")
    parser.add_argument("--array", default="8,8,8", help="p,m,n")
    parser.add_argument("--depth", type=int, default=16, help="pixel groups that share a read of the weights")
    parser.add_argument("--docs", type=Path, help="folder of energy.md; without it nothing is written")
    arguments = parser.parse_args(argv)

    def command() -> None:
        known = {layer.name: layer for layer in NETWORKS[arguments.network]}
        unknown = sorted(set(arguments.layers) - set(known))
        if unknown:
            raise UserError(f"{arguments.network} has no layer {', '.join(unknown)}; it has: {', '.join(known)}.")
        layers = [known[name] for name in arguments.layers]
        array = parse_array(arguments.array)
        with tempfile.TemporaryDirectory() as folder:
            outcomes = run_layers(layers, array, arguments.depth, Path(folder))
            for layer, outcome in zip(layers, outcomes, strict=True):
                slots = array[0] * array[1] * array[2]
                CONSOLE.print(
                    f"{layer.name}: {outcome.layers}: RTL = golden model = cycle model; {layer.steps(*array):,} steps by the paper's "
                    f"count, {outcome.cycles:,} cycles, {outcome.stalls:,} of them stalls, "
                    f"{100 * layer.products / (outcome.cycles * slots):.1f} % of the slots"
                )
        if arguments.docs is not None:
            measured = dict(zip(arguments.layers, outcomes, strict=True))
            figures = network_figures(arguments.network, array, arguments.depth, measured)
            (arguments.docs / "figures" / "paper_layers.json").write_text(json.dumps(figures, indent=2) + "\n")
            write_section(arguments.docs / "energy.md", SECTION, table(figures))

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
