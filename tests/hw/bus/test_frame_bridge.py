# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.frame_bridge."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.frame_bridge import FrameBridge
from macaw.hw.errors import UserError
from macaw.sim.simulator import run_bench

_BENCH = "macaw.sim.bench.frame_bridge"


@pytest.mark.parametrize(
    ("name", "value"),
    [("payload_words", 1), ("payload_words", 1025), ("timeout_cycles", 15), ("queue_depth", 8), ("queue_depth", 24)],
)
def test_parameter_rules(name: str, value: int) -> None:
    with pytest.raises(UserError, match=f"Parameter {name} of the frame bridge must be"):
        FrameBridge(**({"timeout_cycles": 1000} | {name: value}))


def test_bench(tmp_path: Path) -> None:
    parameters = {"payload_words": 16, "timeout_cycles": 256}
    run_bench(
        FrameBridge(**parameters), top="frame_bridge", test_module=_BENCH, build_dir=tmp_path, parameters=parameters,
    )  # fmt: skip


def test_bench_of_the_default_size(tmp_path: Path) -> None:
    parameters = {"payload_words": 128, "timeout_cycles": 100}
    run_bench(
        FrameBridge(**parameters), top="frame_bridge", test_module=_BENCH, build_dir=tmp_path, parameters=parameters,
        test_filter="line_rate|nothing_before|repeated",
    )  # fmt: skip


def test_smoke_on_icarus(tmp_path: Path) -> None:
    parameters = {"payload_words": 6, "timeout_cycles": 64}
    run_bench(
        FrameBridge(**parameters), top="frame_bridge", test_module=_BENCH, build_dir=tmp_path, parameters=parameters,
        simulator="icarus", test_filter="patience|repeated|nothing_before|truncated",
    )  # fmt: skip
