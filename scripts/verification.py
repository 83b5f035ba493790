"""A build judged: the same inputs through reference, golden model and RTL, compared element by element."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boards.accelerator import Accelerator
from ..hw.errors import CheckFailed
from ..sim.golden_network import GoldenNetwork, model_output, quantize_input
from ..sim.reference import Reference, open_reference, output_differences
from .build_folder import Build
from .console import Stages
from .inputs import Inputs, random_inputs
from .provenance import write_provenance
from .report import write_report

__all__ = ["LAYER_INPUTS", "Comparison", "Simulated", "Verification", "golden_maps", "simulate_inputs", "verify_build"]

LAYER_INPUTS = 20
"""Inputs for which every layer's map is compared unless ``--layers`` says otherwise."""

_RANDOM_INPUTS = 16
_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row of the table: elements compared, and how many differ; None where nothing was compared."""

    name: str
    inputs: int
    elements: int
    rtl_differences: int | None
    reference_differences: int | None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The outcome for one set of inputs.

    ``inputs`` went through the reference and the golden model, the first ``rtl_inputs`` of them through the RTL.
    ``accuracy``: share of right classes where labels are known, by source ("reference", "golden", "rtl"); ``limited_accuracy``:
    the same of the first ``rtl_inputs`` only. ``cycles_per_second``: clock cycles of the RTL that were simulated in a second,
    those of the host's accesses included.
    """

    inputs: int
    rtl_inputs: int
    rows: tuple[Comparison, ...]
    cycles: int
    predicted_cycles: int
    stalls: int
    accuracy: dict[str, float]
    limited_accuracy: dict[str, float]
    reference: str
    simulated_cycles: int
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


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What the RTL did: its output maps, elements of each layer's map that differ from the golden model's, its counters."""

    outputs: NDArray[np.int8]
    differing: dict[str, int]
    cycles: int
    stalls: int
    simulated_cycles: int
    seconds: float


def golden_maps(
    build: Build, integers: NDArray[np.int8], kept: int, progress: Callable[[int], None]
) -> tuple[NDArray[np.int8], dict[str, NDArray[np.int8]]]:
    """The golden model's output maps of all inputs, and every map of the first ``kept``; ``progress`` hears how many are done."""
    graph = build.compilation.graph
    network = GoldenNetwork(graph, build.compilation.certified)
    outputs, maps = [], []
    for start in range(0, len(integers), _BATCH):
        found = network.run(integers[start : start + _BATCH])
        outputs.append(found[graph.output])
        if start < kept:
            maps.append({name: values[: kept - start] for name, values in found.items()})
        progress(min(start + _BATCH, len(integers)))
    return np.concatenate(outputs), {
        name: np.concatenate([part[name] for part in maps]) for name in (maps[0] if maps else ())
    }


def simulate_inputs(
    build: Build, integers: NDArray[np.int8], golden: Mapping[str, NDArray[np.int8]], *, layers: int, progress: Stages
) -> Simulated:
    """Run input maps through the RTL: the whole program for each, and before that layer by layer for the first ``layers``, of
    which ``golden`` has every map. Program, taps, weights and maps pass the core's port; nothing reaches around it.

    Raises CheckFailed if two inputs take different numbers of cycles.
    """
    compilation, count = build.compilation, len(integers)
    graph, program = compilation.graph, compilation.program
    progress("compile RTL", 0.0, "Verilator")
    simulation = build.simulate_core()
    progress("compile RTL", 1.0, "core.v")
    differing = {layer.output: 0 for layer in program.layers}
    outputs = np.zeros((count, *graph.tensors[graph.output].shape), np.int8)
    cycles = stalls = 0
    with simulation as core:
        engine = Accelerator(core, compilation.config, program.maps, spilled=program.spilled, wait=core.wait)
        engine.check_identity()
        progress("simulate RTL", 0.0, "loading the network")
        engine.load(build.images)
        for index in range(count):
            if index < layers:
                engine.write_map(graph.input, integers[index])
                for number, step in enumerate(program.steps):
                    engine.run_layers(step.descriptors, first=number == 0)
                    name = step.layer.output
                    found = step.found(engine.read_layout(step.place))
                    differing[name] += int((found != step.part(golden[name][index])).sum())
                    progress("simulate RTL", (index + number / len(program.steps)) / count, f"{step.layer.name} of input {index}")
            outputs[index] = engine.infer(graph.input, graph.output, integers[index])
            seen = engine.cycles()
            if index and seen != (cycles, stalls):
                raise CheckFailed(f"Input {index} took {seen[0]} cycles, input 0 took {cycles}.")
            cycles, stalls = seen
            speed = core.cycles / max(core.seconds, 1e-9)
            progress("simulate RTL", (index + 1) / count, f"{index + 1} of {count} inputs, {speed:,.0f} cycles a second")
        return Simulated(
            outputs=outputs, differing=differing, cycles=cycles, stalls=stalls, simulated_cycles=core.cycles, seconds=core.seconds
        )  # fmt: skip


def verify_build(
    build: Build,
    inputs: Inputs | None,
    *,
    limit: int | None = None,
    layers: int | None = None,
    reference: Reference | None = None,
    progress: Stages,
) -> Verification:
    """Run ``inputs`` (random ones without) through reference, golden model and RTL, and compare.

    The reference and the golden model take all inputs, the RTL the first ``limit`` of them (all without). The output is
    compared for these, the maps of all layers for the first ``layers`` (20 without), the cycle counter with the cycle model. Without
    ``reference`` the model's interpreter is asked, if it is installed. The result is kept in ``verify.json``.
    """
    compilation = build.compilation
    graph = compilation.graph
    chosen = inputs or random_inputs(graph, _RANDOM_INPUTS, seed=1)
    count = len(chosen.values)
    rtl_count = min(count, count if limit is None else limit)
    layer_count = min(rtl_count, LAYER_INPUTS if layers is None else layers)
    result_path = build.folder / "verify.json"
    result_path.unlink(missing_ok=True)

    progress("golden model", 0.0, f"{count} inputs")
    integers = quantize_input(graph, chosen.values)
    golden, golden_layers = golden_maps(
        build, integers, layer_count, lambda done: progress("golden model", done / count, f"{done} of {count} inputs")
    )
    golden_outputs = model_output(graph, golden)

    reference = reference or open_reference(build.model, graph, build.manifest["rounding"])
    reference_maps: dict[str, NDArray[np.int8] | None] = {}
    outputs: dict[str, NDArray[Any]] = {}
    compared = compilation.program.layers if layer_count else ()
    if reference is not None:
        progress("reference", 0.0, f"{count} inputs, {reference.name}")
        for done, layer in enumerate(compared):
            reference_maps[layer.output] = reference.map(layer.output, chosen.values[:layer_count])
            progress("reference", 0.5 * done / len(compared), layer.name)
        parts = []
        for start in range(0, count, _BATCH):
            parts.append(reference.outputs(chosen.values[start : start + _BATCH]))
            progress("reference", 0.5 + 0.5 * min(1.0, (start + _BATCH) / count), f"{count} inputs, {reference.name}")
        outputs["reference"] = np.concatenate(parts)
    outputs["golden"] = golden_outputs

    simulated = simulate_inputs(build, integers[:rtl_count], golden_layers, layers=layer_count, progress=progress)
    outputs["rtl"] = model_output(graph, simulated.outputs)

    rows = []
    for layer in compared:
        found, other = golden_layers[layer.output], reference_maps.get(layer.output)
        rows.append(
            Comparison(
                name=layer.name,
                inputs=layer_count,
                elements=found.size,
                rtl_differences=simulated.differing[layer.output],
                reference_differences=None if other is None else int((other != found).sum()),
            )
        )
    wanted = outputs.get("reference")
    for name, size in [("output", rtl_count), *([("output, all inputs", count)] if count > rtl_count else [])]:
        rows.append(
            Comparison(
                name=name,
                inputs=size,
                elements=golden[:size].size,
                rtl_differences=int((simulated.outputs != golden[:size]).sum()) if size == rtl_count else None,
                reference_differences=None if wanted is None else output_differences(graph, wanted[:size], golden_outputs[:size]),
            )
        )
    result = Verification(
        inputs=count,
        rtl_inputs=rtl_count,
        rows=tuple(rows),
        cycles=simulated.cycles,
        predicted_cycles=compilation.cycles,
        stalls=simulated.stalls,
        accuracy=_accuracies(chosen, outputs),
        limited_accuracy=_accuracies(
            chosen.first(rtl_count), {source: values[:rtl_count] for source, values in outputs.items()}
        ),
        reference=reference.name if reference is not None else "",
        simulated_cycles=simulated.simulated_cycles,
        cycles_per_second=simulated.simulated_cycles / max(simulated.seconds, 1e-9),
        random=inputs is None,
    )
    temporary = build.folder / ".verify.json"
    temporary.write_text(json.dumps(result.to_dict(), indent=2) + "\n")
    os.replace(temporary, result_path)
    write_report(build.folder, build.manifest)
    write_provenance(build.folder, build.manifest)
    return result


def _accuracies(inputs: Inputs, outputs: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Share of right classes by source, of the inputs that the source has seen; empty without labels."""
    shares = {source: inputs.first(len(values)).accuracy(values) for source, values in outputs.items()}
    return {source: share for source, share in shares.items() if share is not None}
