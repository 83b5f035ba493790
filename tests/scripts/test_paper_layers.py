"""The accelerator paper's layers on a small scale; the real ones: ``python -m macaw.scripts.paper_layers``."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.scripts.paper_layers import main, run_layers
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
