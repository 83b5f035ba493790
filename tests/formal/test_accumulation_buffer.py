# amaranth: UnusedElaboratable=no
"""Proof: an accumulator that is wide enough for the largest sum of a layer never overflows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal, signed

from macaw.hw.config import EngineConfig
from macaw.hw.control.delay import delay
from macaw.hw.errors import CheckFailed
from macaw.hw.memory.accumulation_buffer import AccumulationBuffer
from macaw.sim.proof import prove

STEPS = 16
"""Steps of a pixel."""


class _Range(Elaboratable):
    """Any sums of the declared width, at most STEPS a pixel; beside the buffer an accumulator that is wide enough for all."""

    def __init__(self, width: int) -> None:
        self.config = EngineConfig(p=1, m=1, n=1, accumulator_width=width)
        self.buffer = AccumulationBuffer(self.config)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.buffer = buffer = self.buffer
        sums, width = buffer.sums[0], self.config.accumulator_width
        largest = 1 << self.config.sum_width - 1
        wide, finished = Signal(signed(32)), Signal(signed(32))
        steps, ended_steps = Signal(range(STEPS + 1)), Signal(range(STEPS + 1))
        # The sums come one cycle after their valid and last.
        valid, last = delay(m, buffer.valid, 1, "valid")[-1], delay(m, buffer.last, 1, "last")[-1]
        m.d.comb += Assume(~valid | last | (steps < STEPS - 1))
        total = wide + sums
        with m.If(valid):
            m.d.sync += [wide.eq(Mux(last, 0, total)), steps.eq(Mux(last, 0, steps + 1))]
            with m.If(last):
                m.d.sync += [finished.eq(total), ended_steps.eq(steps + 1)]
        m.d.comb += Assert(steps < STEPS)
        for sum_, count in ((wide, steps), (finished, ended_steps)):
            m.d.comb += Assert((sum_ <= count * (largest - 1)) & (sum_ >= -(count * largest)) & (count <= STEPS))
        # What the buffer shows in `width` bits is the sum, because the sum fits.
        m.d.comb += Assert((finished < 1 << width - 1) & (finished >= -(1 << width - 1)))
        return m


class _Sums(_Range):
    """The buffer's bits are those of the wide accumulator, wherever it ends."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.buffer = buffer = self.buffer
        width = self.config.accumulator_width
        wide, finished = Signal(signed(width + 1)), Signal(signed(width + 1))
        valid, last = delay(m, buffer.valid, 1, "valid")[-1], delay(m, buffer.last, 1, "last")[-1]
        ended = Signal()
        with m.If(valid):
            m.d.sync += wide.eq(Mux(last, 0, wide + buffer.sums[0]))
            with m.If(last):
                m.d.sync += [finished.eq(wide + buffer.sums[0]), ended.eq(1)]
        # A register shows the pixel that is asked for.
        held, known = delay(m, finished, 1, "finished")[-1], delay(m, ended, 1, "ended")[-1]
        m.d.comb += [
            Assert(~known | (buffer.accumulators[0].as_unsigned() == held[:width])),
            Cover(known & (held == -3 * (1 << self.config.sum_width - 1))),
        ]
        return m


def test_no_overflow(tmp_path: Path) -> None:
    """16 sums of 16 bits fit 20 bits: in every run."""
    spec = _Range(20)
    buffer = spec.buffer
    prove(spec, [buffer.sums[0], buffer.valid, buffer.last], tmp_path, depth=2)


@pytest.mark.slow
def test_sums(tmp_path: Path) -> None:
    """In every run of 7 cycles the buffer shows the sum of a pixel's steps."""
    spec = _Sums(20)
    buffer = spec.buffer
    prove(spec, [buffer.sums[0], buffer.valid, buffer.last], tmp_path, depth=7, bounded=True, cover=8)


@pytest.mark.slow
def test_a_bit_less_overflows(tmp_path: Path) -> None:
    spec = _Range(19)
    buffer = spec.buffer
    with pytest.raises(CheckFailed, match="Not proved"):
        prove(spec, [buffer.sums[0], buffer.valid, buffer.last], tmp_path, depth=20, bounded=True)
