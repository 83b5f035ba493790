"""docs/integration.md: registers and codes are those of the code, and the costs those of the data file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from macaw.export.design import FORMS
from macaw.hw.bus.axi_lite import AxiLite
from macaw.hw.bus.axi_stream import AxiStream
from macaw.hw.bus.core_arbiter import CoreArbiter
from macaw.hw.bus.wishbone import Wishbone
from macaw.hw.control.register_map import StreamOutcome, StreamRegister
from macaw.scripts.bus_figures import SECTION, table
from macaw.scripts.marked_section import marks
from macaw.sim.cost.resources import STREAMING_LUTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "integration.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Cells of the table whose first heading is ``heading``, without code marks."""
    text = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


@pytest.mark.parametrize(("heading", "kind"), [("Stream register", StreamRegister), ("Outcome", StreamOutcome)])
def test_codes(heading: str, kind: Any) -> None:
    assert {row[0]: int(row[1]) for row in rows(heading)} == {item.name: item.value for item in kind}


def test_forms() -> None:
    assert [row[0] for row in rows("`--as`")] == list(FORMS)


def test_latencies() -> None:
    """Those that the benches measure."""
    wanted = {"AxiLite": AxiLite.latency, "AxiStream, between AxiLite and core": CoreArbiter.latency, "Wishbone": Wishbone.latency}
    assert {row[0]: int(row[1]) for row in rows("Wrapper")} == wanted
    assert f"take a word every {AxiStream.input_period} cycles, and give one every {AxiStream.output_period}" in PAGE


def test_costs() -> None:
    figures = json.loads((DOCS / "figures" / "buses.json").read_text())
    begin, end = marks(SECTION)
    assert PAGE.split(begin)[1].split(end)[0].strip() == table(figures)
    luts = {row["title"]: row["cells"]["synth_ecp5"]["luts"] for row in figures["wrappers"]}
    # The resource model reckons with what was measured.
    assert luts["WeightPrefetcher"] + luts["SdramController, 75 MHz"] == STREAMING_LUTS
