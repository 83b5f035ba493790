# amaranth: UnusedElaboratable=no
"""A small engine whose weights and maps are in SDRAM, with its controller, as a netlist: the golden model's maps in the predicted
cycles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from macaw.boards.harness import SDRAM_PIN_DELAY
from macaw.hw.config import EngineConfig
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.hw.primitives.target import Family
from macaw.sim.layered_network import layered_network
from macaw.sim.streaming_system import with_sdram

_ENGINE: dict[str, Any] = {
    "feature_depth": 256, "program_depth": 1024, "tap_depth": 256, "extent_width": 5, "accumulator_width": 26,
    "multiplier_width": 34, "shifts": (12, 20, 28, 36), "part_pitch": 1, "streaming": True, "spilling": True,
}  # fmt: skip
ENGINES = {
    Family.ECP5: EngineConfig(p=2, m=4, n=2, weight_depth=128, adding=True, **_ENGINE),
    Family.ICE40UP: EngineConfig(
        p=2, m=2, n=2, weight_depth=256, requantizer_digit=4, multiplier_latency=2, prefetch=False, taps_in_program=True, **_ENGINE
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", list(ENGINES), ids=lambda family: family.value)
def test_weights_and_maps(
    family: Family, tmp_path: Path, synthesized: Callable[[Family], Any], tests_in: Callable[[str], Any]
) -> None:
    """What the tests of spilled maps compare: every tile, whole runs, both counters, the words of the memory."""
    tests = tests_in("sim/test_spilled_maps.py")
    config = ENGINES[family]
    given = tests.spilled(layered_network("layers", (10, 9, 4), [(3, 8), (3, 8), "pool", (3, 12), 6]), config, tests.SDRAM, 0.5, 0.25)
    assert given is not None and given.program.spilled
    with with_sdram(config, MT48LC16M16, tests.CLOCK_HZ, SDRAM_PIN_DELAY, tmp_path, form=synthesized(family)) as core:
        tests.compare(core, given, 1)
