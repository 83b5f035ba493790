"""A small top for tests of the host link: serial line, frame bridge and a memory behind the core port."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect
from amaranth.utils import ceil_log2

from ...hw.bus.core_port import CorePort
from ...hw.bus.frame_bridge import FrameBridge
from ...hw.bus.uart import UartReceiver, UartTransmitter
from ...hw.control.register_map import MAGIC, Status

__all__ = ["LinkMemory", "MemoryCore"]


class MemoryCore(wiring.Component):
    """A core port with ``depth`` words. Word 0 reads as MAGIC and is read-only, word 1 counts the writes that were
    executed and is read-only; addresses from ``depth`` on do not exist."""

    port: wiring.PureInterface

    def __init__(self, depth: int) -> None:
        self.depth = depth
        super().__init__({"port": In(CorePort())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=32, depth=self.depth, init=[])
        write_port, read_port = memory.write_port(), memory.read_port(domain="comb")
        request, response = self.port.request, self.port.response
        address = request.payload.address[: ceil_log2(self.depth)]
        absent, fixed = Signal(), Signal()
        writes = Signal(32)
        m.d.comb += [
            absent.eq(request.payload.address >= self.depth),
            fixed.eq(request.payload.address < 2),
            read_port.addr.eq(address),
            write_port.addr.eq(address),
            write_port.data.eq(request.payload.data),
            request.ready.eq(~response.valid),
        ]
        with m.If(response.ready):
            m.d.sync += response.valid.eq(0)
        with m.If(request.valid & request.ready):
            m.d.sync += [response.valid.eq(1), response.payload.data.eq(0), response.payload.status.eq(Status.OK)]
            with m.If(absent):
                m.d.sync += response.payload.status.eq(Status.ADDRESS)
            with m.Elif(request.payload.write & fixed):
                m.d.sync += response.payload.status.eq(Status.READ_ONLY)
            with m.Elif(request.payload.write):
                m.d.comb += write_port.en.eq(1)
                m.d.sync += writes.eq(writes + 1)
            with m.Elif(request.payload.address == 0):
                m.d.sync += response.payload.data.eq(MAGIC)
            with m.Elif(request.payload.address == 1):
                m.d.sync += response.payload.data.eq(writes)
            with m.Else():
                m.d.sync += response.payload.data.eq(read_port.data)
        return m


class LinkMemory(wiring.Component):
    """Pins ``rx``, ``tx``, ``led`` (the serial line's error); MemoryCore behind the bridge."""

    rx: Signal
    tx: Signal
    led: Signal

    def __init__(self, divisor: int, depth: int, *, payload_words: int = 128, timeout_cycles: int = 10_000) -> None:
        self.divisor = divisor
        self.depth = depth
        self.payload_words = payload_words
        self.timeout_cycles = timeout_cycles
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "led": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.submodules.bridge = bridge = FrameBridge(self.payload_words, timeout_cycles=self.timeout_cycles)
        m.submodules.core = core = MemoryCore(self.depth)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx), self.led.eq(receiver.error)]
        connect(m, receiver.o, bridge.i)
        connect(m, bridge.o, transmitter.i)
        connect(m, bridge.core, core.port)
        return m
