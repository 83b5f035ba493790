"""Accuracy over error rate as a plot, from the tables of `macaw faults`. `python -m macaw.scripts.fault_plot --help`."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..hw.errors import UserError
from .console import run_command

__all__ = ["COLUMNS", "Curve", "curves", "main", "plot", "read_table"]

COLUMNS = ("network", "storage", "rate", "bit_error_rate", "seed", "bits", "wrong_bits", "inputs", "accuracy", "agreement")
"""Columns of a table; ``accuracy`` is empty where the inputs have no labels, ``agreement`` is the share of inputs that keep the class
that the network gives them without errors."""

Curve = dict[float, list[float]]
"""Accuracies of all seeds by rate."""


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table. Raises UserError for a file that is none."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: give tables that `macaw faults` has made.") from error
    if not rows or set(COLUMNS) - set(rows[0]):
        raise UserError(f"{path} is no table of `macaw faults`: it must have the columns {', '.join(COLUMNS)}.")
    return rows


def curves(rows: Iterable[Mapping[str, str]]) -> tuple[dict[tuple[str, str], Curve], str]:
    """Curves by network and storage, and what they show: "accuracy" or, without labels, "agreement"."""
    rows = list(rows)
    shown = "accuracy" if all(row["accuracy"] for row in rows) else "agreement"
    found: dict[tuple[str, str], Curve] = {}
    try:
        for row in rows:
            curve = found.setdefault((row["network"], row["storage"]), {})
            curve.setdefault(float(row["rate"]), []).append(float(row[shown]))
    except ValueError as error:
        raise UserError(f"A table of `macaw faults` holds {error}: make it again.") from error
    return found, shown


def plot(rows: Iterable[Mapping[str, str]], path: Path) -> None:
    """Draw the mean over the seeds, and the range from the least to the largest, of each network and storage over the rate.

    The suffix of ``path`` chooses the format: .svg or .png. The same rows give the same file.
    """
    import matplotlib
    from matplotlib.figure import Figure

    if path.suffix not in (".svg", ".png"):
        raise UserError(f"A plot is an .svg or a .png file, not {path.name}.")
    found, shown = curves(rows)
    with matplotlib.rc_context({"svg.hashsalt": "macaw", "font.size": 9}):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        networks = list(dict.fromkeys(network for network, _ in found))
        for (network, storage), curve in found.items():
            points = sorted((rate, values) for rate, values in curve.items() if rate > 0)
            rates = [rate for rate, _ in points]
            means = [100 * sum(values) / len(values) for _, values in points]
            colour = f"C{networks.index(network) % 10}"
            line = "-" if storage == "1t1r" else "--"
            axes.plot(rates, means, f"{line}o", color=colour, markersize=3, label=f"{network}, {storage.upper()}")
            low, high = ([100 * pick(values) for _, values in points] for pick in (min, max))
            axes.fill_between(rates, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set_xscale("log")
        axes.set_xlabel("error rate of one device")
        axes.set_ylabel("right classes, %" if shown == "accuracy" else "classes as without errors, %")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left", fontsize=8)
        temporary = path.with_name(f".{path.name}")
        figure.savefig(temporary, format=path.suffix[1:], metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
    os.replace(temporary, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="fault_plot", description="One plot of several tables of `macaw faults`.")
    parser.add_argument("tables", type=Path, nargs="+", metavar="CSV")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".svg or .png")
    arguments = parser.parse_args(argv)
    return run_command(lambda: plot([row for table in arguments.tables for row in read_table(table)], arguments.output))


if __name__ == "__main__":
    raise SystemExit(main())
