# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.dot_product."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from macaw.hw.compute.dot_product import DotProduct
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 2, 2), (1, 3, 3), (2, 3, 4), (3, 2, 4), (5, 3, 6), (8, 2, 5)]
_STYLES = ["dsp", "logic"]


def test_bench(tmp_path: Path) -> None:
    units = []
    for (m, multiplier, latency), style in product(_SHAPES, _STYLES):
        dot = DotProduct(m, multiplier, style)
        assert dot.latency == latency
        units.append((dot, {"m": m, "latency": dot.latency}))
    assert run_gallery("dot_product", units, tmp_path) == 2


def test_rules() -> None:
    with pytest.raises(ValueError, match="needs at least one product, not 0"):
        DotProduct(0)
    with pytest.raises(ValueError, match="multipliers take 2 or 3 cycles, not 4"):
        DotProduct(2, 4)
