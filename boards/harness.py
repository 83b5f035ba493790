"""The engine behind its host link, loaded from a flash where it is asked for."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..hw.bus.core_port import REQUEST, RESPONSE
from ..hw.bus.flash_reader import FlashReader
from ..hw.bus.frame import PAUSE_SECONDS
from ..hw.bus.frame_bridge import FrameBridge
from ..hw.bus.spi_slave import SpiSlave
from ..hw.bus.stream_register import StreamRegister
from ..hw.bus.uart import UartReceiver, UartTransmitter
from ..hw.config import EngineConfig
from ..hw.control.flash_loader import FlashLoader
from ..hw.control.register_map import BootStatus
from ..hw.engine import Engine
from ..hw.errors import UserError
from ..hw.external.sdram_controller import SdramPins
from ..hw.external.sdram_engine import SdramEngine
from ..hw.external.sdram_timing import SdramTiming
from ..hw.memory.contents import Contents
from ..hw.primitives.target import Family, family_of

__all__ = ["LINKS", "SDRAM_PIN_DELAY", "Harness", "loading_cycles"]

SDRAM_PIN_DELAY = 2
"""Cycles that registers at the pins of an SDRAM take (boards/sdram_pins.py)."""

LINKS = ("uart", "spi")
"""Host links."""

_FLASH_HALF_HZ = 40_000_000  # halves of the flash's clock last 25 ns or more
_FLASH_WAKE_SECONDS = 50e-6


def loading_cycles(image_bytes: int, clock_hz: int) -> int:
    """Cycles after reset in which an image has been loaded from the flash, at most: the bridge's accesses are hidden by the
    reading of what follows, or take less than a tenth of it."""
    return 1000 + round(clock_hz * _FLASH_WAKE_SECONDS) + 18 * -(-clock_hz // _FLASH_HALF_HZ) * (image_bytes + 1024)


class Harness(wiring.Component):
    """Host link, frame bridge and engine: the whole design of a board but for pins and clock.

    With ``boot_address`` the engine is loaded from a flash after reset (:class:`~macaw.hw.control.flash_loader.FlashLoader`);
    until that has ended, bytes from the host are dropped.

    Parameters
    ----------
    config : EngineConfig
    divisor : int, 4..65536
        Clock cycles a bit of the serial line; not used with SPI.
    clock_hz : int, 1000..10**9
        For the blinking, for the bridge's time limit, and for the engine's register.
    engine : Component, optional
        What has the engine's members; an :class:`Engine` without.
    link : one of LINKS
    boot_address : int, optional
        Where the image lies in the flash.
    contents : Contents, optional
        Of the engine's memories at configuration.
    sdram : SdramTiming, optional
        The memory of an engine with ``streaming``.

    Members
    -------
    rx : In(1), tx : Out(1)
        Serial line from and to the host, high when idle; with the link "uart".
    spi_cs, spi_sck, spi_copi : In(1), spi_cipo, spi_drive : Out(1)
        Those of :class:`~macaw.hw.bus.spi_slave.SpiSlave`; with the link "spi".
    flash_cs, flash_sck, flash_copi : Out(1), flash_cipo : In(1)
        Those of :class:`~macaw.hw.bus.flash_reader.FlashReader`; with ``boot_address``.
    sdram : Out(SdramPins())
        With ``streaming``; registers at the pins must take ``SDRAM_PIN_DELAY`` cycles.
    led : Out(3)
        Bit 0 blinks about once a second while the clock runs; bit 1: a program runs; bit 2: the last run ended with an
        error, a byte was lost on the line since reset, or nothing could be loaded from the flash.

    **Reset.** Everything but the memories.

    Raises UserError for a parameter out of range.
    """

    rx: Signal
    tx: Signal
    spi_cs: Signal
    spi_sck: Signal
    spi_copi: Signal
    spi_cipo: Signal
    spi_drive: Signal
    flash_cs: Signal
    flash_sck: Signal
    flash_copi: Signal
    flash_cipo: Signal
    sdram: Any
    led: Signal

    def __init__(
        self,
        config: EngineConfig,
        *,
        divisor: int,
        clock_hz: int,
        engine: wiring.Component | None = None,
        link: str = "uart",
        boot_address: int | None = None,
        contents: Contents | None = None,
        sdram: SdramTiming | None = None,
    ) -> None:
        if not 1000 <= clock_hz <= 10**9:
            raise UserError(f"The clock of a harness must be from 1 kHz to 1 GHz, not {clock_hz} Hz.")
        if link not in LINKS:
            raise UserError(f"The host link must be one of {', '.join(LINKS)}, not {link!r}.")
        self.config = config
        self.divisor = divisor
        self.clock_hz = clock_hz
        self.engine = engine
        self.link = link
        self.boot_address = boot_address
        self.contents = contents
        self.memory = sdram if config.streaming else None
        members = {"rx": In(1, init=1), "tx": Out(1, init=1)}
        if link == "spi":
            members = {"spi_cs": In(1), "spi_sck": In(1), "spi_copi": In(1), "spi_cipo": Out(1), "spi_drive": Out(1)}
        if boot_address is not None:
            members |= {"flash_cs": Out(1), "flash_sck": Out(1), "flash_copi": Out(1), "flash_cipo": In(1)}
        if config.streaming:
            if sdram is None:
                raise UserError("This engine streams its weights from an SDRAM, and there is none: choose a board with one.")
            members |= {"sdram": Out(SdramPins())}
        super().__init__(members | {"led": Out(3)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        received, answered, lost_byte, pins = self._link(m)
        m.submodules.bridge = bridge = FrameBridge(timeout_cycles=max(16, round(self.clock_hz * PAUSE_SECONDS)))
        engine: Any = self.engine
        if engine is None and self.memory is not None:
            engine = SdramEngine(
                self.config, clock_hz=self.clock_hz, timing=self.memory, pin_delay=SDRAM_PIN_DELAY
            )
        elif engine is None:
            engine = Engine(
                self.config, clock_hz=self.clock_hz, boot=self.boot_address is not None, contents=self.contents
            )
        m.submodules.engine = engine
        if self.config.streaming:
            wiring.connect(m, engine.sdram, wiring.flipped(self.sdram))
        m.submodules.answers = answers = StreamRegister(8)
        error = engine.error
        if self.boot_address is None:
            wiring.connect(m, received, bridge.i)
            wiring.connect(m, bridge.o, answers.i)
        else:
            loader = self._loader(m, self.boot_address)
            m.d.comb += engine.boot.eq(loader.status)
            error = error | (loader.status > BootStatus.LOADED)
            m.d.comb += [
                bridge.i.valid.eq(Mux(loader.done, received.valid, loader.request.valid)),
                bridge.i.payload.eq(Mux(loader.done, received.payload, loader.request.payload)),
                received.ready.eq(bridge.i.ready | ~loader.done),
                loader.request.ready.eq(bridge.i.ready),
                answers.i.valid.eq(bridge.o.valid & loader.done),
                answers.i.payload.eq(bridge.o.payload),
                loader.answer.valid.eq(bridge.o.valid & ~loader.done),
                loader.answer.payload.eq(bridge.o.payload),
                bridge.o.ready.eq(answers.i.ready | ~loader.done),
            ]
        wiring.connect(m, answers.o, answered)
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
        with m.If(lost_byte):
            m.d.sync += lost.eq(1)
        m.d.comb += pins
        m.d.sync += self.led.eq(Cat(blink[-1], engine.busy, error | lost))
        return m

    def _link(self, m: Module) -> tuple[Any, Any, Any, list[Any]]:
        """Bytes from the host, bytes to the host, whether one from the host is lost, and what connects the pins."""
        if self.link == "spi":
            m.submodules.slave = slave = SpiSlave()
            pins = [
                slave.cs.eq(self.spi_cs),
                slave.sck.eq(self.spi_sck),
                slave.copi.eq(self.spi_copi),
                self.spi_cipo.eq(slave.cipo),
                self.spi_drive.eq(slave.drive),
            ]
            return slave.o, slave.i, slave.error, pins
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        pins = [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        return receiver.o, transmitter.i, receiver.error, pins

    def _loader(self, m: Module, address: int) -> FlashLoader:
        """Reader and loader, but for the loader's two streams to the bridge."""
        m.submodules.reader = reader = FlashReader(
            address,
            half_cycles=-(-self.clock_hz // _FLASH_HALF_HZ),
            wake_cycles=max(1, round(self.clock_hz * _FLASH_WAKE_SECONDS)),
        )
        m.submodules.loader = loader = FlashLoader(self.config.identity)
        wiring.connect(m, reader.o, loader.flash)
        m.d.comb += [
            self.flash_cs.eq(reader.cs),
            self.flash_sck.eq(reader.sck),
            self.flash_copi.eq(reader.copi),
            reader.cipo.eq(self.flash_cipo),
            reader.stop.eq(loader.done),
        ]
        return loader
