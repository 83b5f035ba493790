"""Verification of a build: its RTL against the golden model and the reference. `python -m macaw.scripts.simulate --help`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ..boards.accelerator import Accelerator
from ..hw.errors import CheckFailed
from ..sim.core_simulation import CoreSimulation
from ..sim.golden_network import GoldenNetwork, model_output, quantize_input
from ..sim.reference import open_reference
from .build_folder import Build, load_build
from .console import CONSOLE, Stages, run_command, stages
from .inputs import Inputs, load_inputs, random_inputs
from .report import write_report

__all__ = ["Comparison", "Verification", "main", "show_verification", "verify_build"]

LAYER_INPUTS = 20
"""Inputs for which every layer's map is compared; the output is compared for all."""

_RANDOM_INPUTS = 16


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row of the table: elements compared, and how many differ. ``reference`` is None where nothing was compared."""

    name: str
    inputs: int
    elements: int
    rtl_differences: int
    reference_differences: int | None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The outcome for one set of inputs.

    ``accuracy``: share of right classes by source ("reference", "golden", "rtl"), where labels are known.
    """

    inputs: int
    rows: tuple[Comparison, ...]
    cycles: int
    predicted_cycles: int
    stalls: int
    accuracy: dict[str, float]
    reference: str
    cycles_per_second: float
    random: bool

    @property
    def equal(self) -> bool:
        """Whether everything that was compared is equal, the cycle count included."""
        return self.cycles == self.predicted_cycles and not any(
            row.rtl_differences or row.reference_differences for row in self.rows
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"equal": self.equal}


def verify_build(build: Build, inputs: Inputs | None, *, progress: Stages) -> Verification:
    """Run the RTL of ``build`` on ``inputs`` (random ones without) and compare with golden model and reference.

    The maps of all layers are compared for the first 20 inputs, the output for all, and the cycle counter with the cycle
    model. The result is kept in ``verify.json``.
    """
    graph = build.compilation.graph
    chosen = inputs or random_inputs(graph, _RANDOM_INPUTS, seed=1)
    count = len(chosen.values)
    layer_count = min(count, LAYER_INPUTS)
    (build.folder / "verify.json").unlink(missing_ok=True)

    progress("golden model", 0.0, f"{count} inputs")
    integers = quantize_input(graph, chosen.values)
    golden = GoldenNetwork(graph, build.compilation.certified).run(integers)
    golden_outputs = model_output(graph, golden[graph.output])
    progress("golden model", 1.0, f"{count} inputs")

    reference = open_reference(build.model, graph, build.manifest["rounding"])
    reference_maps: dict[str, NDArray[np.int8] | None] = {}
    reference_outputs: NDArray[Any] | None = None
    if reference is not None:
        progress("reference", 0.0, f"{count} inputs, {reference.name}")
        for done, layer in enumerate(build.compilation.program.layers):
            reference_maps[layer.output] = reference.map(layer.output, chosen.values[:layer_count])
            progress("reference", 0.5 * done / len(build.compilation.program.layers), layer.name)
        reference_outputs = reference.outputs(chosen.values)
        progress("reference", 1.0, f"{count} inputs, {reference.name}")

    progress("compile RTL", 0.0, "Verilator")
    simulation = CoreSimulation(build.core, build.simulation_folder)
    progress("compile RTL", 1.0, "core.v")
    layers = build.compilation.program.layers
    differing = {layer.output: 0 for layer in layers}
    outputs = np.zeros((count, *golden[graph.output].shape[1:]), np.int8)
    with simulation as core:
        engine = Accelerator(core, build.compilation.config, build.compilation.program.maps, wait=core.wait)
        engine.check_identity()
        engine.load(build.images)
        cycles = stalls = 0
        for index in range(count):
            if index < layer_count:
                engine.write_map(graph.input, integers[index])
                for number, layer in enumerate(layers):
                    engine.run_layers(len(layer.descriptors), first=number == 0)
                    found = engine.read_map(layer.output)
                    differing[layer.output] += int((found != golden[layer.output][index]).sum())
            outputs[index] = engine.infer(graph.input, graph.output, integers[index])
            seen = engine.cycles()
            if index and seen != (cycles, stalls):
                raise CheckFailed(f"Input {index} took {seen[0]} cycles, input 0 took {cycles}.")
            cycles, stalls = seen
            progress("simulate RTL", (index + 1) / count, f"{index + 1} of {count} inputs")
        speed = core.cycles / max(core.seconds, 1e-9)

    rows = []
    for layer in layers:
        found = golden[layer.output][:layer_count]
        other = reference_maps.get(layer.output)
        rows.append(
            Comparison(
                name=layer.name,
                inputs=layer_count,
                elements=found.size,
                rtl_differences=differing[layer.output],
                reference_differences=None if other is None else int((other != found).sum()),
            )
        )
    rows.append(
        Comparison(
            name="output",
            inputs=count,
            elements=outputs.size,
            rtl_differences=int((outputs != golden[graph.output]).sum()),
            reference_differences=(
                None if reference_outputs is None else int((reference_outputs != golden_outputs).sum())
            ),
        )
    )
    accuracy = {
        name: chosen.accuracy(values)
        for name, values in (
            ("reference", reference_outputs),
            ("golden", golden_outputs),
            ("rtl", model_output(graph, outputs)),
        )
        if values is not None
    }
    result = Verification(
        inputs=count,
        rows=tuple(rows),
        cycles=cycles,
        predicted_cycles=build.compilation.cycles,
        stalls=stalls,
        accuracy={name: value for name, value in accuracy.items() if value is not None},
        reference=reference.name if reference is not None else "",
        cycles_per_second=speed,
        random=inputs is None,
    )
    (build.folder / "verify.json").write_text(json.dumps(result.to_dict(), indent=2) + "\n")
    write_report(build.folder, build.manifest)
    return result


def show_verification(result: Verification) -> None:
    """Print the table."""
    table = Table(title=f"{result.inputs} {'random' if result.random else 'real'} inputs", title_justify="left")
    for heading in ("layer", "inputs", "elements", "RTL = golden", f"golden = {result.reference or 'reference'}"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")

    def verdict(differences: int | None) -> str:
        if differences is None:
            return "[dim]not compared[/]"
        return "[green]equal[/]" if differences == 0 else f"[red]{differences:,} differ[/]"

    for row in result.rows:
        table.add_row(
            row.name,
            f"{row.inputs:,}",
            f"{row.elements:,}",
            verdict(row.rtl_differences),
            verdict(row.reference_differences),
        )
    CONSOLE.print(table)
    relation = "=" if result.cycles == result.predicted_cycles else "[red]but[/]"
    CONSOLE.print(f"cycles: RTL {result.cycles:,} {relation} model {result.predicted_cycles:,}, {result.stalls:,} of them stalls")
    for name, share in result.accuracy.items():
        CONSOLE.print(f"right classes, {name}: {100 * share:.2f} %")
    if not result.reference:
        CONSOLE.print(
            "[dim]No reference interpreter is installed that rounds like this build: `pip install 'macaw[reference]'` adds ONNX "
            "Runtime and TensorFlow Lite Micro (--rounding tflm).[/]",
            highlight=False,
        )


def verify_folder(folder: Path, inputs: Path | None) -> None:
    """`macaw verify`. Raises CheckFailed unless everything is equal."""
    build = load_build(folder)
    chosen = None if inputs is None else load_inputs(inputs, build.compilation.graph)
    with stages() as progress:
        result = verify_build(build, chosen, progress=progress)
    show_verification(result)
    if not result.equal:
        wrong = [row.name for row in result.rows if row.rtl_differences]
        other = [row.name for row in result.rows if row.reference_differences]
        parts = []
        if wrong:
            parts.append(f"the RTL differs from the golden model in {', '.join(wrong)}")
        if other:
            parts.append(f"the golden model differs from {result.reference} in {', '.join(other)}")
        if result.cycles != result.predicted_cycles:
            parts.append(f"the RTL took {result.cycles} cycles, the model says {result.predicted_cycles}")
        raise CheckFailed("Not equal: " + "; ".join(parts) + ".")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="simulate", description="RTL of a build against golden model and reference.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--inputs", type=Path)
    arguments = parser.parse_args(argv)
    return run_command(lambda: verify_folder(arguments.folder, arguments.inputs))


if __name__ == "__main__":
    raise SystemExit(main())
