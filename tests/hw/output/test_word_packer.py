# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.output.word_packer."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.output.word_packer import WordPacker
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1), (4, 2), (2, 4), (4, 4), (3, 5), (5, 3), (5, 7), (4, 6), (6, 4), (1, 3), (8, 1)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for m, n in _SHAPES:
        config = EngineConfig(p=1, m=m, n=n)
        units.append((WordPacker(config), {"m": m, "n": n, "steps": config.write_steps}))
    assert run_gallery("word_packer", units, tmp_path, simulator=simulator) == 1
