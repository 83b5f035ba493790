"""An external memory of a given latency and rate, for simulation: what sim/cost/external_memory.py calls an IdealMemory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..hw.bus.core_port import CorePort
from ..hw.external.memory_port import COMMAND, MOST_WORDS, MemoryPort
from .cost.external_memory import IdealMemory

__all__ = ["IdealMemoryModel", "WithIdealMemory"]


class IdealMemoryModel(wiring.Component):
    """One burst after the other: the next is taken when the one before has been sent.

    Parameters
    ----------
    memory : IdealMemory
        ``words`` a power of two, ``latency`` at least 2; addresses wrap.

    Members
    -------
    port : In(MemoryPort())

    **Timing.** A command taken in cycle t: its words come in the cycles ``t + latency + k * interval``, and the next command is
    taken from ``t + words * interval`` on. A burst that writes takes a word a cycle, from ``t + 1`` on; the next command is taken
    with its last word if ``interval`` is 1, else in the cycle after it.
    """

    port: Any

    def __init__(self, memory: IdealMemory) -> None:
        if memory.latency < 2 or memory.interval < 1 or memory.words & (memory.words - 1):
            raise ValueError(f"an ideal memory cannot be {memory}")
        self.memory = memory
        super().__init__({"port": In(MemoryPort())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        port, memory = self.port, self.memory
        m.submodules.words = words = Memory(shape=32, depth=memory.words, init=[])
        write, read = words.write_port(), words.read_port(domain="comb")
        current = Signal(COMMAND)
        left = Signal(range(MOST_WORDS + 1))
        address = Signal(range(memory.words))
        pause = Signal(range(memory.interval))
        give, moved = Signal(), Signal()
        m.d.comb += [
            port.ready.eq(1),
            # With an interval of 1 the last word is given in the cycle in which the next command is taken.
            port.command.ready.eq((left == 0) & (pause <= 1) if memory.interval > 1 else (left == 0) | (left == 1) & moved),
            read.addr.eq(address),
            write.addr.eq(address),
            write.data.eq(port.write.payload),
        ]
        m.d.comb += [give.eq((left != 0) & (pause == 0)), moved.eq(Mux(current.write, port.write.valid, give))]
        taking = port.command.valid & port.command.ready
        with m.If(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(left != 0):
            with m.If(current.write):
                m.d.comb += [port.write.ready.eq(1), write.en.eq(port.write.valid)]
                with m.If(port.write.valid):
                    m.d.sync += [left.eq(left - 1), address.eq(address + 1)]
            with m.Elif(give):
                m.d.sync += [left.eq(left - 1), address.eq(address + 1), pause.eq(memory.interval - 1)]
        with m.If(taking):
            m.d.sync += [
                current.eq(port.command.payload),
                left.eq(port.command.payload.words_last + 1),
                address.eq(port.command.payload.address),
                pause.eq(0),
            ]
        stages = [Cat(give & ~current.write, read.data)]
        for number in range(memory.latency - 1):
            stage = Signal(33, name=f"travelling_{number}")
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        m.d.comb += [port.read.valid.eq(stages[-1][0]), port.read.payload.eq(stages[-1][1:])]
        return m


class WithIdealMemory(wiring.Component):
    """An engine with such a memory: the engine's members but for the memory's.

    Parameters
    ----------
    engine : Component
        An Engine with ``streaming``, or what stands for it.
    memory : IdealMemory
    """

    port: Any
    busy: Signal
    error: Signal

    def __init__(self, engine: Any, memory: IdealMemory) -> None:
        self.engine, self.memory = engine, memory
        super().__init__({"port": In(CorePort()), "busy": Out(1), "error": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = self.engine
        m.submodules.memory = memory = IdealMemoryModel(self.memory)
        connect(m, flipped(self.port), self.engine.port)
        connect(m, self.engine.memory, memory.port)
        m.d.comb += [self.busy.eq(self.engine.busy), self.error.eq(self.engine.error)]
        return m
