# amaranth: UnusedElaboratable=no
"""Proof: what lies behind the end of the program memory never matters to the sequencer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Signal, Value

from macaw.hw.config import EngineConfig
from macaw.hw.control.delay import delay
from macaw.hw.control.descriptor import descriptor_words
from macaw.hw.control.register_map import CoreError
from macaw.hw.control.sequencer import Sequencer
from macaw.sim.proof import prove

_SMALL: dict[str, Any] = {"feature_depth": 2, "weight_depth": 2, "tap_depth": 2, "extent_width": 3, "group_width": 1, "p": 1, "m": 1, "n": 1}


class _Twins(Elaboratable):
    """Two sequencers with the same inputs and the same memory, in which addresses behind the end read as anything, and another
    thing for each. They do the same."""

    def __init__(self, prefetch: bool) -> None:
        words = descriptor_words(EngineConfig(**_SMALL, prefetch=prefetch))
        # One descriptor fits, the second one does not.
        self.config = EngineConfig(**_SMALL, prefetch=prefetch, program_depth=2 + 2 * words - 1)
        self.twins = [Sequencer(self.config, words + 2) for _ in range(2)]
        self.word = Signal(32)
        self.other = Signal(32)
        self.start, self.idle = Signal(), Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        one, two = self.twins
        m.submodules.one, m.submodules.two = one, two
        # Two cycles after its address a word arrives; inside of the memory it is the same for both.
        outside = delay(m, one.program_address >= self.config.program_depth, 2, "outside")[-1]
        first = Signal()
        m.d.sync += first.eq(1)
        m.d.comb += [Assume(~self.start | ~first), one.program_data.eq(self.word), two.program_data.eq(self.word)]
        with m.If(outside):
            m.d.comb += two.program_data.eq(self.other)
        for twin in self.twins:
            m.d.comb += [twin.start.eq(self.start), twin.layer_idle.eq(self.idle)]
        for name in ("program_address", "go", "busy", "done", "paused", "error", "layers"):
            m.d.comb += Assert(Value.cast(getattr(one, name)) == Value.cast(getattr(two, name)))
        m.d.comb += Assert(~one.go | (Value.cast(one.layer) == Value.cast(two.layer)))
        m.d.comb += Cover((one.error == CoreError.RUNAWAY_PROGRAM) & (one.layers == 1))
        return m


@pytest.mark.slow
@pytest.mark.parametrize("prefetch", [False, True])
def test_end_of_the_memory(prefetch: bool, tmp_path: Path) -> None:
    """Bounded: long enough for a layer and for the program to run against the end."""
    spec = _Twins(prefetch)
    words = descriptor_words(spec.config)
    depth = 3 * words + 24
    prove(spec, [spec.start, spec.idle, spec.word, spec.other], tmp_path, depth=depth, bounded=True, cover=depth)
