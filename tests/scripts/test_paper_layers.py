"""The accelerator paper's layers on a small scale; the real ones: ``python -m macaw.scripts.paper_layers``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from macaw.scripts.marked_section import marks
from macaw.scripts.paper_layers import SECTION, main, network_figures, run_layers, table
from macaw.sim.energy.layer_shape import LayerShape


def test_layers_of_one_engine(tmp_path: Path) -> None:
    """Two layers on one engine: RTL = golden = cycle model, and few cycles more than the paper's steps."""
    layers = [
        LayerShape(name="wide", rows=9, columns=16, channels=8, outputs=12, pool=2),
        LayerShape(
            name="strided", rows=12, columns=12, channels=6, outputs=4, kernel=(5, 5), stride=(2, 2), padding=(2, 2)
        ),
    ]
    outcomes = run_layers(layers, (2, 4, 2), 4, tmp_path)
    for layer, outcome in zip(layers, outcomes, strict=True):
        steps = layer.steps(2, 4, 2)
        assert steps <= outcome.cycles - outcome.stalls <= steps + 1000


def test_unknown_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conv9"]) == 2
    assert "vgg-11 has no layer conv9; it has: conv1, conv2" in capsys.readouterr().err


def test_figures_of_the_page() -> None:
    """The table is that of its data; what the models say of the network is what was recorded; the RTL took as many cycles."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    figures = json.loads((docs / "figures" / "paper_layers.json").read_text())
    begin, end = marks(SECTION)
    assert (docs / "energy.md").read_text().split(begin)[1].split(end)[0].strip() == table(figures)
    p, m, n = figures["array"]
    again = network_figures(figures["network"], (p, m, n), figures["depth"], {})
    measured = [row for row in figures["layers"] if row["rtl_cycles"] is not None]
    assert len(measured) >= 2 and all(row["rtl_cycles"] == row["cycles"] for row in measured)
    for row, wanted in zip(figures["layers"], again["layers"], strict=True):
        # An engine that holds several layers may have wider addresses, and fetch its first descriptor later.
        assert abs(row["cycles"] - wanted["cycles"]) <= 4
        assert {**row, "cycles": 0, "rtl_cycles": 0} == {**wanted, "cycles": 0, "rtl_cycles": 0}
