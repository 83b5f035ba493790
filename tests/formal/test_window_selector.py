# amaranth: UnusedElaboratable=no
"""Proof: the window is the right rotation of the banks for every start, padded where it is outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Array, Assert, Assume, Cover, Elaboratable, Module, Mux, Signal

from macaw.hw.config import EngineConfig
from macaw.hw.control.delay import delay
from macaw.hw.memory.window_selector import WindowSelector
from macaw.sim.proof import prove


class _Rotation(Elaboratable):
    """Words, banks and padding change in every cycle."""

    def __init__(self, p: int, masking: bool) -> None:
        products = ("int8xint8", "binaryxbinary") if masking else ("int8xint8",)
        self.config = EngineConfig(p=p, m=2 if masking else 1, n=8, products=products)
        self.selector = WindowSelector(self.config)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.selector = selector = self.selector
        p, latency = self.config.p, selector.latency
        bank = delay(m, selector.bank, latency + 1, "bank")[-1]
        words = [delay(m, word, latency, f"word_{i}")[-1] for i, word in enumerate(selector.words)]
        inside = delay(m, selector.inside, 1, "inside")[-1]
        pad = delay(m, selector.pad, 1, "pad")[-1]
        age = Signal(range(latency + 3))
        with m.If(age < latency + 2):
            m.d.sync += age.eq(age + 1)
        m.d.comb += Assume(selector.bank < p)
        if self.config.masking:
            keep = delay(m, selector.keep, 1, "keep")[-1]
        for i in range(p):
            wanted = Signal(self.config.word_width, name=f"wanted_{i}")
            shown = Array(words)[(bank + i) % p]
            m.d.comb += wanted.eq(Mux(inside[i], shown, pad.replicate(self.config.m)))
            for k in range(self.config.m):
                byte = wanted.word_select(k, 8)
                mask = keep[k].replicate(8) if self.config.masking else 0xFF
                m.d.comb += Assert((age < latency + 2) | (selector.windows[i].word_select(k, 8) == (byte & mask)))
        m.d.comb += Cover((age == latency + 2) & (bank == p - 1) & inside.all() & (selector.windows[0] == 0xA5))
        return m


@pytest.mark.parametrize(
    ("p", "masking"),
    [pytest.param(p, masking, marks=() if (p, masking) in ((1, True), (3, True)) else pytest.mark.slow)
     for p, masking in (
         (1, False), (1, True), (2, False), (2, True), (3, False), (3, True), (4, False), (4, True), (5, False), (6, False), (7, True), (8, False),
     )],
)  # fmt: skip
def test_rotation(p: int, masking: bool, tmp_path: Path) -> None:
    spec = _Rotation(p, masking)
    selector = spec.selector
    ports = [*selector.words, selector.bank, selector.inside, selector.pad, *([selector.keep] if masking else [])]
    prove(spec, ports, tmp_path, depth=selector.latency + 3, cover=selector.latency + 4)
