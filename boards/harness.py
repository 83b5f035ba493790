"""The engine behind a serial line."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..hw.bus.core_port import REQUEST, RESPONSE
from ..hw.bus.frame import PAUSE_SECONDS
from ..hw.bus.frame_bridge import FrameBridge
from ..hw.bus.stream_register import StreamRegister
from ..hw.bus.uart import UartReceiver, UartTransmitter
from ..hw.config import EngineConfig
from ..hw.engine import Engine
from ..hw.errors import UserError
from ..hw.primitives.target import Family, family_of

__all__ = ["Harness"]


class Harness(wiring.Component):
    """UART, frame bridge and engine: the whole design of a board but for pins and clock.

    Parameters
    ----------
    config : EngineConfig
    divisor : int, 4..65536
        Clock cycles a bit of the serial line.
    clock_hz : int, 1000..10**9
        For the blinking, for the bridge's time limit, and for the engine's register.
    engine : Component, optional
        What has the engine's members; an :class:`Engine` without.

    Members
    -------
    rx : In(1)
        Serial line from the host, asynchronous; high when idle.
    tx : Out(1)
        Serial line to the host; high when idle.
    led : Out(3)
        Bit 0 blinks about once a second while the clock runs; bit 1: a program runs; bit 2: the last run ended with an
        error, or a byte was lost on the line since reset.

    **Reset.** Everything but the memories.

    Raises UserError for a parameter out of range.
    """

    rx: Signal
    tx: Signal
    led: Signal

    def __init__(
        self, config: EngineConfig, *, divisor: int, clock_hz: int, engine: wiring.Component | None = None
    ) -> None:
        if not 1000 <= clock_hz <= 10**9:
            raise UserError(f"The clock of a harness must be from 1 kHz to 1 GHz, not {clock_hz} Hz.")
        self.config = config
        self.divisor = divisor
        self.clock_hz = clock_hz
        self.engine = engine
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "led": Out(3)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.submodules.bridge = bridge = FrameBridge(timeout_cycles=max(16, round(self.clock_hz * PAUSE_SECONDS)))
        engine: Any = Engine(self.config, clock_hz=self.clock_hz) if self.engine is None else self.engine
        m.submodules.engine = engine
        wiring.connect(m, receiver.o, bridge.i)
        m.submodules.answers = answers = StreamRegister(8)
        wiring.connect(m, bridge.o, answers.i)
        wiring.connect(m, answers.o, transmitter.i)
        if family_of(platform) in (Family.ICE40, Family.ICE40UP):
            # Small and slow, without registers to spare.
            wiring.connect(m, bridge.core, engine.port)
        else:
            # The bridge need not lie near the engine.
            m.submodules.requests = requests = StreamRegister(REQUEST)
            m.submodules.responses = responses = StreamRegister(RESPONSE)
            wiring.connect(m, bridge.core.request, requests.i)
            wiring.connect(m, requests.o, engine.port.request)
            wiring.connect(m, engine.port.response, responses.i)
            wiring.connect(m, responses.o, bridge.core.response)
        blink = Signal(ceil_log2(self.clock_hz))
        lost = Signal()
        m.d.sync += blink.eq(blink + 1)
        with m.If(receiver.error):
            m.d.sync += lost.eq(1)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        m.d.sync += self.led.eq(Cat(blink[-1], engine.busy, engine.error | lost))
        return m
