# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.control.sequencer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.control.descriptor import Operation, descriptor_layout, descriptor_limits, descriptor_words
from macaw.hw.control.register_map import CoreError
from macaw.hw.control.sequencer import Sequencer
from macaw.hw.timing import PipelineTiming
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.golden.sequencer import FOREIGN_PROGRAM, ILLEGAL_NUMBER, ILLEGAL_OPERATION, RUNAWAY_PROGRAM

_SHAPES = [
    (1, 1, 1, True, 64, 1, True, False), (3, 5, 7, True, 101, 11, False, True), (4, 8, 2, False, 100, 12, True, True),
    (2, 2, 2, False, 90, 3, False, False),
]  # fmt: skip


def _limits(config: EngineConfig) -> list[tuple[int, int, int]]:
    layout = descriptor_layout(config)
    return [(layout[name].offset, layout[name].width, count) for name, count in descriptor_limits(config).items()]


def test_limits() -> None:
    """Only numbers that the bits of a field exceed: an engine of powers of two has none, and no logic for them."""
    assert descriptor_limits(EngineConfig(p=4, m=8, n=4)) == {}
    assert descriptor_limits(EngineConfig(p=3, m=8, n=7)) == {"tail_last": 3, "last_lane": 7}
    products = ("int8xint8", "binaryxbinary", "int8xbinary")
    config = EngineConfig(p=1, m=6, n=8, products=products, output_formats=("int8", "binary", "int4"))
    assert descriptor_limits(config) == {"output_offset": 6, "product": 3, "output_format": 3, "byte_last": 6}


@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.slow)])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, pooling, depth, group_width, prefetch, streaming in _SHAPES:
        config = EngineConfig(
            p=p, m=m, n=n, pooling=pooling, program_depth=depth, group_width=group_width, prefetch=prefetch,
            streaming=streaming,
        )  # fmt: skip
        timing = PipelineTiming(config)
        told = {
            "config": config.to_dict(), "size": descriptor_words(config), "header": timing.header,
            "overhead": timing.layer_overhead, "end": timing.end, "limits": _limits(config),
            "transfers": descriptor_layout(config)["transfers"].offset if streaming else 0,
        }  # fmt: skip
        units.append((Sequencer(config, timing.flush), told))
    assert run_gallery("sequencer", units, tmp_path, simulator=simulator) == 8


def test_every_flush_hides_a_fetch() -> None:
    """The shortest pipeline with the longest descriptor."""
    config = EngineConfig(
        p=1, m=1, n=1, multiplier_latency=2, accumulator_width=12, multiplier_width=8, requantizer_digit=8,
        feature_depth=65536, weight_depth=65536, program_depth=4096, tap_depth=4096, extent_width=12, group_width=12,
        nudge=1,
    )  # fmt: skip
    assert PipelineTiming(config).flush >= descriptor_words(config) + 2
    Sequencer(config, PipelineTiming(config).flush)
    with pytest.raises(ValueError, match="a flush of 5 cycles does not hide a fetch of 1[0-9] words"):
        Sequencer(config, 5)


def test_codes() -> None:
    assert (FOREIGN_PROGRAM, ILLEGAL_OPERATION, RUNAWAY_PROGRAM, ILLEGAL_NUMBER) == (
        CoreError.FOREIGN_PROGRAM, CoreError.ILLEGAL_OPERATION, CoreError.RUNAWAY_PROGRAM, CoreError.ILLEGAL_NUMBER
    )  # fmt: skip
    operations: Any = Operation
    assert [operation.value for operation in operations] == [0, 1, 2]
