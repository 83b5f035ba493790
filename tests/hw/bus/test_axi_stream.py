# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.axi_stream, its runner and its arbiter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.hw.bus.axi_stream import AxiStream
from macaw.hw.errors import UserError
from macaw.sim.simulator import run_bench

PLACES = {"input_first": 3, "input_words": 6, "output_first": 67, "output_words": 5}


@pytest.mark.parametrize(
    ("bits", "changes", "message"),
    [
        (3, {}, "must have from 4 to 24 bits, not 3"),
        (25, {}, "must have from 4 to 24 bits, not 25"),
        (8, {"input_words": 0}, "input of an AXI4-Stream must be one word at least .*, not 0 words from 3 on"),
        (8, {"output_first": 252}, "output of an AXI4-Stream must .* lie below word 256 .*, not 5 words from 252 on"),
        (8, {"input_first": -1}, "input of an AXI4-Stream"),
    ],
)
def test_parameter_rules(bits: int, changes: dict[str, int], message: str) -> None:
    places: dict[str, Any] = PLACES | changes
    with pytest.raises(UserError, match=message):
        AxiStream(bits, **places)


def test_bench(tmp_path: Path) -> None:
    run_bench(
        AxiStream(12, **PLACES), top="axi_stream", test_module="macaw.sim.bench.axi_stream", build_dir=tmp_path,
        simulator="icarus",
        parameters=PLACES | {"input_period": AxiStream.input_period, "output_period": AxiStream.output_period},
    )  # fmt: skip
