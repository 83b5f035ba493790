"""A memory made of registers that can have a fault: in the place of a real one, to see whether a test finds it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring

from ...hw.memory.engine_memories import MemoryShape
from ...hw.memory.memory_tester import MemoryUnderTest
from ..golden.memory_tester import Fault

__all__ = ["FaultyMemory"]


class FaultyMemory(wiring.Component):
    """Members and timing of :class:`~macaw.hw.memory.memory_tester.MemoryUnderTest`; ``fault`` as in the golden model.

    Parameters
    ----------
    shape : MemoryShape
        Of few words: every bit is a register.
    fault : Fault, optional
    """

    address: Any
    read: Any
    write: Any
    data: Any
    word: Any

    def __init__(self, shape: MemoryShape, fault: Fault | None = None) -> None:
        self.shape = shape
        self.fault = fault
        super().__init__(MemoryUnderTest.members_of(shape))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape, fault = self.shape, self.fault
        kind = "" if fault is None else fault.kind
        words = [Signal(shape.width, name=f"word_{index}") for index in range(shape.depth)]
        place = Signal.like(self.address)
        m.d.comb += place.eq(self.address)
        hit = Signal()
        if fault is not None:
            m.d.comb += hit.eq(self.address == fault.address)
            if kind == "alias":
                with m.If(hit):
                    m.d.comb += place.eq(fault.other)
        enable = Signal(shape.granules)
        m.d.comb += enable.eq(self.write)
        if fault is not None and kind == "enable":
            with m.If(self.write.any()):
                m.d.comb += enable.eq(self.write | 1 << fault.bit)
        mask = Cat(enable[bit // shape.granularity] for bit in range(shape.width))
        before, after = Signal(shape.width), Signal(shape.width)
        m.d.comb += [before.eq(Array(words)[place]), after.eq(before & ~mask | self.data & mask)]
        stored = Signal(shape.width)
        m.d.comb += stored.eq(after)
        if fault is not None and kind == "slow":
            with m.If(hit & (before[fault.bit] != fault.value)):
                m.d.comb += stored[fault.bit].eq(1 - fault.value)
        dead = Signal()
        m.d.comb += dead.eq(hit if kind == "dead" else 0)
        with m.If(enable.any() & ~dead):
            for index, word in enumerate(words):
                with m.If(place == index):
                    m.d.sync += word.eq(stored)
            if fault is not None and kind == "coupled":
                with m.If(hit & (before[fault.bit] != fault.value) & (after[fault.bit] == fault.value)):
                    m.d.sync += words[fault.other][fault.other_bit].eq(1 - fault.value)
        held = Signal(shape.width)
        m.d.comb += held.eq(before)
        if fault is not None and kind == "stuck":
            with m.If(hit):
                m.d.comb += held[fault.bit].eq(fault.value)
        fetched = Signal(shape.width)
        with m.If(self.read):
            m.d.sync += fetched.eq(held)
        m.d.sync += self.word.eq(fetched)
        return m
