"""docs/dot-products.md: its measurements are those of the data file, and its components exist."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

from macaw.scripts.dot_figures import SECTION, table
from macaw.scripts.marked_section import marks

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_table() -> None:
    figures = json.loads((DOCS / "figures" / "dot_products.json").read_text())
    text = (DOCS / "dot-products.md").read_text()
    begin, end = marks(SECTION)
    assert text.split(begin)[1].split(end)[0].strip() == table(figures)
    assert figures["dots"], "nothing was measured"


def test_at_least_200_mhz() -> None:
    figures = json.loads((DOCS / "figures" / "dot_products.json").read_text())
    slow = [
        row["title"]
        for row in figures["dots"]
        if row["title"].startswith(("XnorPopcount", "TernaryDot", "Pair")) and min(row["fmax_hz"]) < 200e6
    ]
    assert not slow


def test_components() -> None:
    text = (DOCS / "dot-products.md").read_text()
    names = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert len(names) == 7
    for name in names:
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        assert hasattr(importlib.import_module(f"macaw.hw.compute.{module}"), name)
