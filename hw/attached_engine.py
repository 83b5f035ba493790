"""The engine behind a standard bus."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .bus.address_window import AddressWindow
from .bus.axi_lite import AxiLite, AxiLiteSignature
from .bus.axi_master import Axi4Signature, AxiMaster
from .bus.axi_stream import AxiStream
from .bus.axi_stream_signature import AxiStreamSignature
from .bus.wishbone import Wishbone, WishboneSignature
from .config import EngineConfig
from .engine import Engine

__all__ = ["AxiEngine", "WishboneEngine"]


class AxiEngine(wiring.Component):
    """An engine with AXI4-Lite for everything, AXI4-Stream for features and results and, if it streams weights, an AXI4 master
    that reads them from a memory of the system.

    Parameters
    ----------
    config : EngineConfig
    window : AddressWindow
        Of ``bus``.
    input_first, input_words, output_first, output_words : int
        See :class:`AxiStream`.
    clock_hz : int
        Value of ``Register.CLOCK``; 0 if unknown.
    memory_base : int
        See :class:`AxiMaster`.

    Members
    -------
    bus : In(AxiLiteSignature)
    i : In(AxiStreamSignature()), o : Out(AxiStreamSignature(user=True))
    memory : Out(Axi4Signature())
        Only with ``config.streaming``.
    busy, error : Out(1)
        See :class:`Engine`; an error of ``memory``'s bus is one, too, until the reset.

    **Timing.** See AxiLite and AxiStream. A write of the bus takes 3 cycles of the core, of features of an idle engine 4; a
    read of a register 3, of features 12.

    **Reset.** Hold it for at least two cycles. Everything but the memories.
    """

    bus: Any
    i: Any
    o: Any
    memory: Any
    busy: Signal
    error: Signal

    def __init__(
        self, config: EngineConfig, window: AddressWindow, *, input_first: int, input_words: int, output_first: int,
        output_words: int, clock_hz: int = 0, memory_base: int = 0,
    ) -> None:  # fmt: skip
        self.master = AxiMaster(memory_base) if config.streaming else None
        self.engine = Engine(config, clock_hz=clock_hz)
        self.lite = AxiLite(window.offset_bits)
        self.stream = AxiStream(
            window.offset_bits, input_first=input_first, input_words=input_words, output_first=output_first,
            output_words=output_words,
        )  # fmt: skip
        members = {
            "bus": In(AxiLiteSignature(window.byte_bits)),
            "i": In(AxiStreamSignature()),
            "o": Out(AxiStreamSignature(user=True)),
            "busy": Out(1),
            "error": Out(1),
        }
        super().__init__(members | ({"memory": Out(Axi4Signature())} if config.streaming else {}))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = engine = self.engine
        m.submodules.lite = lite = self.lite
        m.submodules.stream = stream = self.stream
        connect(m, flipped(self.bus), lite.bus)
        connect(m, lite.core, stream.host)
        connect(m, stream.core, engine.port)
        connect(m, flipped(self.i), stream.i)
        connect(m, stream.o, flipped(self.o))
        m.d.comb += [self.busy.eq(engine.busy), self.error.eq(engine.error)]
        if self.master is not None:
            m.submodules.master = master = self.master
            connect(m, engine.memory, master.port)
            connect(m, master.bus, flipped(self.memory))
            m.d.comb += self.error.eq(engine.error | master.error)
        return m


class WishboneEngine(wiring.Component):
    """An engine with a Wishbone slave.

    Parameters
    ----------
    config : EngineConfig
    window : AddressWindow
        Of ``bus``.
    pipelined : bool
        See :class:`Wishbone`.
    clock_hz : int
        Value of ``Register.CLOCK``; 0 if unknown.

    Members
    -------
    bus : In(WishboneSignature)
    busy, error : Out(1)
        See :class:`Engine`.

    **Timing.** See Wishbone; cycles of the core as in AxiEngine.

    **Reset.** Hold it for at least two cycles. Everything but the memories.
    """

    bus: Any
    busy: Signal
    error: Signal

    def __init__(self, config: EngineConfig, window: AddressWindow, *, pipelined: bool = False, clock_hz: int = 0) -> None:
        self.engine = Engine(config, clock_hz=clock_hz)
        self.slave = Wishbone(window.offset_bits, pipelined=pipelined)
        super().__init__(
            {"bus": In(WishboneSignature(window.word_bits, pipelined=pipelined)), "busy": Out(1), "error": Out(1)}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = engine = self.engine
        m.submodules.slave = slave = self.slave
        connect(m, flipped(self.bus), slave.bus)
        connect(m, slave.core, engine.port)
        m.d.comb += [self.busy.eq(engine.busy), self.error.eq(engine.error)]
        return m
