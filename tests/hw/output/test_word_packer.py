# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.output.word_packer."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.formats import FORMATS
from macaw.hw.output.word_packer import WordPacker
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1), (4, 2), (2, 4), (4, 4), (3, 5), (5, 3), (5, 7), (4, 6), (6, 4), (1, 3), (8, 1)]
_PACKED = [(3, 8, ("binary",)), (4, 8, ("int8", "binary")), (3, 8, ("int8", "int4", "ternary", "binary")), (2, 4, ("int4", "ternary"))]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for m, n, formats in [*((m, n, ("int8",)) for m, n in _SHAPES), *_PACKED]:
        config = EngineConfig(p=1, m=m, n=n, output_formats=formats)
        widths = [FORMATS[name].width for name in formats]
        units.append((WordPacker(config), {"m": m, "n": n, "steps": config.write_steps, "widths": widths}))
    assert run_gallery("word_packer", units, tmp_path, simulator=simulator) == 1
