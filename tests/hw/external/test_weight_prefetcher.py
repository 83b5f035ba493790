# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.external.weight_prefetcher."""

from __future__ import annotations

from pathlib import Path

from macaw.hw.config import EngineConfig
from macaw.hw.control.register_map import CoreError
from macaw.hw.external.weight_prefetcher import WeightPrefetcher
from macaw.hw.external.weight_stream import BURST_WORDS, QUEUE_WORDS
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.golden import weight_stream


def test_bench(tmp_path: Path) -> None:
    units = []
    for m, n, depth in ((1, 1, 40), (5, 3, 33)):
        config = EngineConfig(p=1, m=m, n=n, weight_depth=depth, streaming=True)
        told = {
            "segments": config.weight_segments, "depth": depth, "burst": BURST_WORDS, "queue": QUEUE_WORDS, "silence": 700,
        }  # fmt: skip
        units.append((WeightPrefetcher(config, silence=700), told))
    assert run_gallery("weight_prefetcher", units, tmp_path) == 6


def test_codes() -> None:
    for name in ("FOREIGN_WEIGHTS", "DAMAGED_WEIGHTS", "SILENT_MEMORY", "STARVED"):
        assert getattr(weight_stream, name) == CoreError[name]
