# amaranth: UnusedElaboratable=no
"""Proofs about the byte queue: order, no loss, no invention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal

from macaw.hw.bus.byte_queue import ByteQueue
from macaw.sim.proof import prove

DEPTH = 4


class _Order(Elaboratable):
    """One byte is marked, that with any number: it leaves with this number and no other byte is marked.

    What a byte is does not change its way through the queue, so this is the order of all of them.
    """

    def __init__(self) -> None:
        self.queue = ByteQueue(DEPTH)
        self.marked = Signal()  # free

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.queue = queue = self.queue
        entered, left, number = Signal(4), Signal(4), Signal(4)
        gone = Signal()
        m.d.comb += [
            Assume(~(self.marked & gone)),
            Assume(queue.i.payload == Mux(self.marked, 0x55, 0)),
        ]
        with m.If(queue.i.valid & queue.i.ready):
            m.d.sync += entered.eq(entered + 1)
            with m.If(self.marked):
                m.d.sync += [number.eq(entered), gone.eq(1)]
        with m.If(queue.o.valid & queue.o.ready):
            m.d.sync += left.eq(left + 1)
        inside = (entered - left)[:4]
        m.d.comb += [
            Assert(~queue.o.valid | (queue.o.payload == Mux(gone & (left == number), 0x55, 0))),
            Assert(inside <= DEPTH + 2),
            # Nothing leaves that has not entered, and where there is room a byte is taken.
            Assert(~queue.o.valid | (inside != 0)),
            Assert(queue.i.ready | (inside >= DEPTH)),
            Cover((inside == DEPTH + 2) & (left == DEPTH) & gone & (number == left + 2)),
        ]
        return m


@pytest.mark.slow
def test_order(tmp_path: Path) -> None:
    """In every run of 9 cycles: long enough that the memory's addresses go around."""
    spec = _Order()
    queue = spec.queue
    ports = [queue.i.payload, queue.i.valid, queue.o.ready, spec.marked]
    prove(spec, ports, tmp_path, depth=9, bounded=True, cover=12)
