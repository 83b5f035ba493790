# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.paired_dot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.hw.compute.paired_dot import PairedDot, PairTerm
from macaw.hw.primitives.target import Family
from macaw.sim.bench.gallery import run_gallery


@pytest.mark.parametrize("family", [Family.GENERIC, pytest.param(Family.ECP5, marks=pytest.mark.slow)])
def test_bench(tmp_path: Path, family: Family) -> None:
    units: list[tuple[Any, dict[str, Any]]] = []
    for spreading in (False, True):
        for m in (2, 6, 8, 10):
            told = {"m": m, "spreading": spreading}
            dot, term = PairedDot(m, spreading=spreading), PairTerm(m, spreading=spreading)
            assert term.latency <= dot.common_delay
            units.append((dot, {**told, "latency": dot.latency, "common_delay": dot.common_delay}))
            units.append((term, {**told, "latency": term.latency}))
    assert run_gallery("paired_dot", units, tmp_path, family=family) == 2


@pytest.mark.parametrize("m", [0, 3])
def test_rules(m: int) -> None:
    for component in (PairedDot, PairTerm):
        with pytest.raises(ValueError, match=f"even number of at least 2 bytes, not {m}"):
            component(m, spreading=False)
