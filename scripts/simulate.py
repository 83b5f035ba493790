"""Verification of a build: its RTL against the golden model and the reference. `python -m macaw.scripts.simulate --help`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from ..hw.errors import CheckFailed, UserError
from .build_folder import load_build
from .console import CONSOLE, run_command, stages
from .inputs import load_inputs
from .verification import LAYER_INPUTS, Verification, verify_build

__all__ = ["main", "show_verification", "verify_folder"]


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
            escape(row.name),
            f"{row.inputs:,}",
            f"{row.elements:,}",
            verdict(row.rtl_differences),
            verdict(row.reference_differences),
        )
    CONSOLE.print(table)
    relation, style = ("=", "") if result.cycles == result.predicted_cycles else ("but", "red")
    CONSOLE.print(
        f"cycles: RTL {result.cycles:,} {relation} model {result.predicted_cycles:,}, {result.stalls:,} of them stalls", style=style
    )
    CONSOLE.print(
        f"simulation: {result.simulated_cycles:,} clock cycles of the RTL, {result.cycles_per_second:,.0f} a second on one core"
    )
    if result.accuracy:
        CONSOLE.print(_accuracy_table(result))
    if not result.reference:
        CONSOLE.print(
            "No reference interpreter is installed that rounds like this build: `pip install 'macaw[reference]'` adds ONNX "
            "Runtime and TensorFlow Lite Micro (--rounding tflm).",
            style="dim",
        )


def _accuracy_table(result: Verification) -> Table:
    """Right classes by source: of all inputs, and of those that the RTL has seen where these are fewer."""
    limited = result.rtl_inputs < result.inputs
    table = Table()
    table.add_column("right classes")
    table.add_column(f"{result.inputs:,} inputs", justify="right")
    if limited:
        table.add_column(f"the first {result.rtl_inputs:,}", justify="right")
    titles = {"reference": result.reference, "golden": "golden model", "rtl": "RTL"}
    for source, share in result.accuracy.items():
        row = ["" if limited and source == "rtl" else f"{100 * share:.2f} %"]
        if limited:
            row.append(f"{100 * result.limited_accuracy[source]:.2f} %")
        table.add_row(titles[source], *row)
    return table


def verify_folder(
    folder: Path, inputs: Path | None, limit: int | None = None, layers: int | None = None
) -> None:
    """`macaw verify`. Raises CheckFailed unless everything is equal."""
    for option, value, least in (("--limit", limit, 1), ("--layers", layers, 0)):
        if value is not None and value < least:
            raise UserError(f"{option} is a number of inputs, {least} or more, not {value}.")
    build = load_build(folder)
    chosen = None if inputs is None else load_inputs(inputs, build.compilation.graph)
    with stages() as progress:
        result = verify_build(build, chosen, limit=limit, layers=layers, progress=progress)
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
    parser.add_argument("--limit", type=int, metavar="N", help="the RTL runs the first N inputs only")
    parser.add_argument(
        "--layers", type=int, metavar="N", help=f"inputs of which every layer is compared; {LAYER_INPUTS} without"
    )
    arguments = parser.parse_args(argv)
    return run_command(lambda: verify_folder(arguments.folder, arguments.inputs, arguments.limit, arguments.layers))


if __name__ == "__main__":
    raise SystemExit(main())
