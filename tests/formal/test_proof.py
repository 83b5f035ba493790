"""The prover says no where it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Cover, Elaboratable, Module, Signal

from macaw.hw.errors import CheckFailed
from macaw.sim.proof import prove


class _Counter(Elaboratable):
    """Counts ``step`` up to ``last`` and stays there."""

    def __init__(self, claim: int, goal: int = 0) -> None:
        self.step = Signal()
        self.claim, self.goal = claim, goal

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = Signal(4)
        with m.If(self.step & (count < 5)):
            m.d.sync += count.eq(count + 1)
        m.d.comb += Assert(count <= self.claim)
        if self.goal:
            m.d.comb += Cover(count == self.goal)
        return m


@pytest.mark.slow
def test_what_is_true(tmp_path: Path) -> None:
    counter = _Counter(5, 5)
    prove(counter, [counter.step], tmp_path, depth=2, cover=7)


def test_an_assertion_that_fails(tmp_path: Path) -> None:
    counter = _Counter(4)
    with pytest.raises(CheckFailed, match="Not proved:(.|\n)*failed"):
        prove(counter, [counter.step], tmp_path, depth=8)


def test_a_cover_that_is_never_reached(tmp_path: Path) -> None:
    counter = _Counter(5, 6)
    with pytest.raises(CheckFailed, match="Not proved:(.|\n)*[Uu]nreached"):
        prove(counter, [counter.step], tmp_path, depth=2, cover=10)
