"""An SDRAM whose lines can be broken, and the memory tester with it: to see whether a test finds that."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...hw.bus.core_port import CorePort
from ...hw.config import EngineConfig
from ...hw.external.external_memory_tester import ExternalShape
from ...hw.external.sdram_controller import SdramPins
from ...hw.external.sdram_engine import SdramEngine
from ...hw.external.sdram_timing import SdramTiming
from ...hw.memory.engine_memories import MemoryShape
from ...hw.memory.memory_tester import MemoryTester
from ..sdram_model import SdramModel

__all__ = ["FaultySdram", "FaultySdramTester"]


class FaultySdram(wiring.Component):
    """An :class:`~macaw.sim.sdram_model.SdramModel` behind lines with faults.

    Parameters
    ----------
    timing, clock_hz, pin_delay, strict
        Those of the model.
    dq_high : int
        Data lines that are high whatever drives them, where the member is not connected.

    Members
    -------
    pins : In(SdramPins()), violation : Out(8), violations : Out(32)
        As of the model.
    a_low : In(13), ba_low : In(2), dq_high : In(16)
        Lines that are low for the memory, and that are high when it is read.
    """

    pins: Any
    violation: Signal
    violations: Signal
    a_low: Signal
    ba_low: Signal
    dq_high: Signal

    def __init__(
        self, timing: SdramTiming, clock_hz: int, *, pin_delay: int = 0, strict: bool = True, dq_high: int = 0
    ) -> None:
        self.model = SdramModel(timing, clock_hz, pin_delay=pin_delay, strict=strict)
        super().__init__(
            {
                "pins": In(SdramPins()), "violation": Out(8), "violations": Out(32), "a_low": In(13), "ba_low": In(2),
                "dq_high": In(16, init=dq_high),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.model = model = self.model
        for name, member in SdramPins().members.items():
            if member.flow is Out:
                m.d.comb += getattr(model.pins, name).eq(getattr(self.pins, name))
        m.d.comb += [
            model.pins.a.eq(self.pins.a & ~self.a_low),
            model.pins.ba.eq(self.pins.ba & ~self.ba_low),
            self.pins.dq_i.eq(model.pins.dq_i | self.dq_high),
            self.violation.eq(model.violation),
            self.violations.eq(model.violations),
        ]
        return m


class FaultySdramTester(wiring.Component):
    """A memory tester of one small memory and all of an SDRAM, with controller and SDRAM; members are theirs."""

    port: Any
    busy: Signal
    error: Signal
    violation: Signal
    a_low: Signal
    ba_low: Signal
    dq_high: Signal

    def __init__(self, timing: SdramTiming, clock_hz: int, pin_delay: int) -> None:
        words = timing.cycles(clock_hz).words
        shape = MemoryShape(name="memory", kind="block", width=8, depth=2, granularity=8)
        self.engine = SdramEngine(
            EngineConfig(p=1, m=1, n=1, streaming=True), clock_hz=clock_hz, timing=timing, pin_delay=pin_delay,
            engine=MemoryTester([shape], external=ExternalShape(name="SDRAM", words=words, tested=words)),
        )  # fmt: skip
        self.memory = FaultySdram(timing, clock_hz, pin_delay=pin_delay, strict=False)
        super().__init__(
            {
                "port": In(CorePort()), "busy": Out(1), "error": Out(1), "violation": Out(8), "a_low": In(13), "ba_low": In(2),
                "dq_high": In(16),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = engine = self.engine
        m.submodules.memory = memory = self.memory
        connect(m, flipped(self.port), engine.port)
        connect(m, engine.sdram, memory.pins)
        m.d.comb += [
            self.busy.eq(engine.busy), self.error.eq(engine.error), self.violation.eq(memory.violation),
            memory.a_low.eq(self.a_low), memory.ba_low.eq(self.ba_low), memory.dq_high.eq(self.dq_high),
        ]  # fmt: skip
        return m
