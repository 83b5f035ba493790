"""A real model whose maps do not fit its board, through the real command: build, verify, and what such a build cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

MODEL = Path(__file__).parents[2].parent / "shared" / "data" / "mlperf_tiny" / "vww_mobilenet025_int8.tflite"


@pytest.mark.slow
@pytest.mark.skipif(not MODEL.is_file(), reason="the visual wake words model is not there")
def test_visual_wake_words_on_the_smallest_board(macaw: Any, tmp_path: Path) -> None:
    """Images of 96 x 96 on an ECP5-12F: the host writes them to the SDRAM, the first layers run in fused tiles."""
    folder = tmp_path / "build"
    board = ("--board", "ulx3s-12f", "--array", "2,4,4", "--no-route")
    assert macaw("build", MODEL, *board, "-o", folder).code == 2
    outcome = macaw("build", MODEL, *board, "--weights", "external", "-o", folder)
    assert outcome.code == 0, outcome.errors
    manifest = json.loads((folder / "build.json").read_text())
    external, layers = manifest["external"], manifest["layers"]
    assert external["segments"][0]["tiles"] > 1 and len(external["segments"][0]["layers"]) > 1
    assert external["map_bytes_read"] == sum(layer["map_bytes_read"] for layer in layers) > 0
    assert external["written_bytes"] == sum(layer["map_bytes_written"] for layer in layers)
    assert external["bytes"] == external["stream_bytes"] + external["map_bytes_read"]
    assert "maps written" in (folder / "report.html").read_text()
    assert any("external" in place for place in manifest["maps"].values()) and not (folder / "driver").exists()
    outcome = macaw("verify", folder, "--limit", "1", "--layers", "1")
    assert outcome.code == 0, outcome.errors
    assert json.loads((folder / "verify.json").read_text())["cycles"] == manifest["cycles"]
    refused = macaw("export", folder, "--as", "verilog", "-o", tmp_path / "export")
    assert refused.code == 2 and "lies in the external memory" in refused.errors
