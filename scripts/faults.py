"""Accuracy with errors in the weight memory: `macaw faults`."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..boards.catalog import find_board
from ..compiler.compilation import Compilation, compile_graph
from ..compiler.model_import import import_model, model_rounding
from ..hw.errors import CheckFailed, UserError
from ..sim.faults import STORAGES, FaultyNetwork, bit_error_rate, faulty_image, undefined_codes
from ..sim.golden_network import model_output, quantize_input
from ..sim.weight_cells import WeightCells
from .build_folder import Build, board_budget, load_build
from .console import CONSOLE, Stages, stages
from .demo import DEFAULT_BOARD
from .fault_plot import COLUMNS, curves, plot
from .generate import generate
from .inputs import Inputs, load_inputs
from .output_folder import check_output_folder
from .verification import simulate_inputs

__all__ = ["DEFAULT_RATES", "FaultPlan", "fault_command", "fault_rows", "parse_rates"]

DEFAULT_RATES = "1e-6,1e-5,1e-4,3e-4,1e-3,3e-3,1e-2,3e-2,1e-1"
_BATCH = 16
_TABLE, _PLOT = "faults.csv", "faults.svg"


@dataclass(frozen=True, kw_only=True)
class FaultPlan:
    """What is tried: all ``rates`` of all ``storages``, each with seeds ``seed`` .. ``seed + repeats - 1``; ``rtl_inputs``: inputs that
    the RTL takes at each rate and storage, with the first seed, 0: none."""

    rates: tuple[float, ...]
    storages: tuple[str, ...] = STORAGES
    seed: int = 1
    repeats: int = 5
    rtl_inputs: int = 0


def parse_rates(text: str) -> tuple[float, ...]:
    """Rates with commas between. Raises UserError."""
    try:
        rates = tuple(float(part) for part in text.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(math.isfinite(rate) and 0 < rate <= 0.5 for rate in rates):
        raise UserError(f"--rates are probabilities above 0 and up to 0.5 with commas between, as in 1e-4,1e-3, not {text[:60]!r}.")
    return tuple(sorted(set(rates)))


def _storages(name: str | None) -> tuple[str, ...]:
    if name is None:
        return STORAGES
    if name.lower() not in STORAGES:
        raise UserError(f"--storage is {' or '.join(STORAGES)}, both without, not {name[:40]!r}.")
    return (name.lower(),)


def _cells(compilation: Compilation) -> WeightCells:
    """The bits that can be wrong. Raises UserError where an error has no defined outcome."""
    cells = WeightCells(compilation)
    if not cells.layers:
        raise UserError(f"The model {compilation.graph.source} has no weights.")
    undefined = undefined_codes(cells.formats())
    if undefined:
        node = next(node for node in compilation.graph.nodes if node.output == undefined[0])
        raise UserError(
            f"The weights of {node.name!r} are stored as {cells.formats()[undefined[0]].name} codes, one of which means nothing: "
            "what an error does there is not defined. Use binary, 4-bit or 8-bit weights."
        )
    return cells


def _maps(network: FaultyNetwork, integers: NDArray[np.int8]) -> NDArray[np.int8]:
    parts = [network.run(integers[k : k + _BATCH])[network.graph.output] for k in range(0, len(integers), _BATCH)]
    return np.concatenate(parts)


def _classes(outputs: NDArray[Any]) -> NDArray[np.int64]:
    flat = outputs.reshape(len(outputs), -1)
    return flat.argmax(1) if flat.shape[1] > 1 else np.rint(flat[:, 0]).astype(np.int64)


def fault_rows(
    network: str, compilation: Compilation, inputs: Inputs, plan: FaultPlan, build: Build | None = None, *, progress: Stages
) -> Iterator[dict[str, Any]]:
    """One row of the table (fault_plot.COLUMNS) for each storage, rate and seed; the first is that without errors.

    ``network``: its name in the table. ``build``: that of the compilation; only the RTL needs it.
    Golden model and RTL get the same image: its bits are inverted, the golden model's weights are decoded from it.
    Raises CheckFailed where the RTL differs from the golden model.
    """
    cells = _cells(compilation)
    graph, image = compilation.graph, compilation.program.weights
    integers = quantize_input(graph, inputs.values)
    right = _maps(FaultyNetwork(compilation, cells.decode(image)), integers)
    wanted = _classes(model_output(graph, right))

    def row(storage: str, rate: float, seed: int, wrong: int, maps: NDArray[np.int8]) -> dict[str, Any]:
        outputs = model_output(graph, maps)
        accuracy = inputs.accuracy(outputs)
        values = (
            network, storage, f"{rate:g}", f"{bit_error_rate(storage, rate):.4g}", seed, len(cells.bits), wrong, len(integers),
            "" if accuracy is None else f"{accuracy:.6f}", f"{(_classes(outputs) == wanted).mean():.6f}",
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))

    steps, done = len(plan.storages) * len(plan.rates) * plan.repeats, 0
    for storage in plan.storages:
        yield row(storage, 0.0, plan.seed, 0, right)
    for seed in range(plan.seed, plan.seed + plan.repeats):
        draws = np.random.default_rng(seed).random(len(cells.bits))
        for storage in plan.storages:
            for rate in plan.rates:
                faulty, wrong = faulty_image(image, cells, draws, bit_error_rate(storage, rate))
                progress("faults", done / steps, f"{storage}, rate {rate:g}, seed {seed}: {wrong:,} wrong bits")
                maps = _maps(FaultyNetwork(compilation, cells.decode(faulty)), integers) if wrong else right
                if build is not None and plan.rtl_inputs and seed == plan.seed:
                    _check_rtl(build, faulty, integers[: plan.rtl_inputs], maps, f"{storage} at the rate {rate:g}", progress)
                done += 1
                progress("faults", done / steps, f"{storage}, rate {rate:g}, seed {seed}: {wrong:,} wrong bits")
                yield row(storage, rate, seed, wrong, maps)


def _check_rtl(
    build: Build, image: NDArray[np.uint32], integers: NDArray[np.int8], maps: NDArray[np.int8], what: str, progress: Stages
) -> None:
    found = simulate_inputs(replace(build, images=replace(build.images, weights=image)), integers, {}, layers=0, progress=progress)
    differ = int((found.outputs != maps[: len(integers)]).sum())
    if differ:
        raise CheckFailed(f"With the same wrong weights ({what}) {differ:,} outputs of the RTL differ from the golden model's.")


def _summary(rows: Sequence[dict[str, Any]]) -> Table:
    found, shown = curves(rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("storage", "rate", "bit error rate", f"{shown}: mean", "least", "largest"):
        table.add_column(heading, justify="left" if heading == "storage" else "right")
    for (_, storage), curve in found.items():
        for rate, values in sorted(curve.items()):
            shares = (sum(values) / len(values), min(values), max(values))
            table.add_row(storage, f"{rate:g}", f"{bit_error_rate(storage, rate):.2g}", *(f"{100 * share:.2f} %" for share in shares))
    return table


def fault_command(
    source: Path, inputs: Path, output: Path, *, rates: str, storage: str | None, seed: int, repeats: int, limit: int | None,
    rtl: int, board: str | None, array: tuple[int, int, int] | None,
) -> None:  # fmt: skip
    """`macaw faults`: a table and a plot in ``output``; with ``rtl`` of a model also its build, in ``output/build``."""
    plan = FaultPlan(rates=parse_rates(rates), storages=_storages(storage), seed=seed, repeats=repeats, rtl_inputs=rtl)
    if source.is_dir() and array is not None:
        raise UserError(f"{source} is a build, whose array is chosen: leave --array out, or give the model.")
    if source.is_dir() and board is not None:
        raise UserError(f"{source} is a build, whose board is chosen: leave --board out, or give the model.")
    board = board or DEFAULT_BOARD
    check_output_folder(output)
    with stages() as progress:
        build = None
        if source.is_dir() or rtl:
            build = load_build(source) if source.is_dir() else generate(source, board, output / "build", array=array, progress=progress)
            network, compilation = Path(build.manifest["model"]).stem, build.compilation
        else:
            progress("compile", 0.0, str(source))
            graph = import_model(source, model_rounding(source, None))
            network, compilation = source.stem, compile_graph(graph, board_budget(find_board(board)), array=array)
            progress("compile", 1.0, str(compilation.config))
        chosen = load_inputs(inputs, compilation.graph)
        chosen = chosen if limit is None else chosen.first(limit)
        try:
            output.mkdir(parents=True, exist_ok=True)
            for name in (_TABLE, _PLOT):
                (output / name).unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"The output folder {output} cannot be written ({error.strerror}): choose another with -o.") from error
        rows = list(fault_rows(network, compilation, chosen, plan, build, progress=progress))
    temporary = output / f".{_TABLE}"
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, output / _TABLE)
    plot(rows, output / _PLOT)
    CONSOLE.print(_summary(rows))
    if rtl:
        CONSOLE.print(f"RTL = golden model on {min(rtl, len(chosen.values))} inputs at each rate")
    CONSOLE.print(f"table: {output / _TABLE}, plot: {output / _PLOT}")
