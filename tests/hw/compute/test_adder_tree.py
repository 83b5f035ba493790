# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.adder_tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.compute.adder_tree import AdderTree
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 8, 0), (2, 1, 1), (3, 5, 2), (5, 16, 3), (8, 16, 3), (13, 4, 4)]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for count, width, latency in _SHAPES:
        tree = AdderTree(count, width)
        assert tree.latency == latency
        units.append((tree, {"count": count, "width": width, "latency": tree.latency}))
    assert run_gallery("adder_tree", units, tmp_path, simulator=simulator) == 2


@pytest.mark.parametrize(("count", "width"), [(0, 8), (-1, 8), (4, 0)])
def test_rules(count: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"at least one term of at least one bit, not {count} of {width}"):
        AdderTree(count, width)
