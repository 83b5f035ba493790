# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.int4_dot."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.compute.int4_dot import Int4Dot
from macaw.hw.primitives.target import Family
from macaw.sim.bench.gallery import run_gallery


@pytest.mark.parametrize("family", [Family.GENERIC, Family.ECP5])
def test_bench(tmp_path: Path, family: Family) -> None:
    dots = [Int4Dot(m) for m in (1, 2, 3)]
    units = [(dot, {"golden": "int4_dot", "m": dot.m, "latency": dot.latency}) for dot in dots]
    assert run_gallery("low_bit_dot", units, tmp_path, family=family) == 2


def test_rules() -> None:
    with pytest.raises(ValueError, match="at least one byte, not 0"):
        Int4Dot(0)
