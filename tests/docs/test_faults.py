"""docs/faults.md against its data: the table of the curves, and the error rates of a pair of devices."""

from __future__ import annotations

from pathlib import Path

from macaw.scripts.fault_plot import curves, read_table
from macaw.sim.faults import bit_error_rate

DOCS = Path(__file__).parents[2] / "docs"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_curves() -> None:
    lines = (DOCS / "faults.md").read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| Mean of right classes |"))
    rates = [float(cell) for cell in cells(lines[begin])[1:]]
    for line in lines[begin + 2 : begin + 6]:
        title, *shown = cells(line)
        form, storage = title.split(", ")
        found, kind = curves(read_table(DOCS / "figures" / f"faults_ecg_{form}.csv"))
        curve = found[f"ecg_{form}", storage.lower()]
        assert kind == "accuracy"
        assert shown == [f"{100 * sum(curve[rate]) / len(curve[rate]):.1f} %" for rate in rates]


def test_rates_of_a_pair() -> None:
    lines = (DOCS / "faults.md").read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| Rate of a device |"))
    rates, shown = ([float(cell) for cell in cells(lines[begin + offset])[1:]] for offset in (0, 2))
    assert shown == [float(f"{bit_error_rate('2t2r', rate):.1e}") for rate in rates]
