# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.binary_weight_dot."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.compute.binary_weight_dot import BinaryWeightDot
from macaw.hw.primitives.target import Family
from macaw.sim.bench.gallery import run_gallery


@pytest.mark.parametrize("family", [Family.GENERIC, Family.ECP5])
def test_bench(tmp_path: Path, family: Family) -> None:
    dots = [BinaryWeightDot(m) for m in (1, 2, 3, 8)]
    units = [(dot, {"golden": "binary_weight_dot", "m": dot.m, "latency": dot.latency}) for dot in dots]
    assert run_gallery("low_bit_dot", units, tmp_path, family=family) == 2


def test_rules() -> None:
    with pytest.raises(ValueError, match="at least one byte, not 0"):
        BinaryWeightDot(0)
