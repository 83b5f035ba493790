"""A board's top level: pins, clock, reset, and the harness between them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal
from amaranth.lib import io, wiring

from ..hw.config import EngineConfig
from ..hw.primitives.target import Family
from .accelerator import Images
from .attachment import Attachment
from .board import Board
from .clock.ice40_pll import Ice40PadPll, Ice40PllSetting
from .clock.pll import Pll, make_pll
from .clock.power_on_reset import PowerOnReset
from .harness import Harness
from .sdram_pins import Ecp5SdramPins

__all__ = ["BoardTop"]

_RESET_SECONDS = 20e-6


class BoardTop(Elaboratable):
    """The engine on a board: oscillator to PLL to domain ``sync``, host link, flash and lights to the harness.

    Parameters
    ----------
    board : Board
    config : EngineConfig
    clock_hz : int, optional
        Wanted clock; the PLL takes the nearest frequency at or below it. The board's default without it.
    design : Component, optional
        Takes the harness's place: members ``rx``, ``tx`` and ``led`` as there.
    attachment : Attachment
        Link, and where the weights come from.
    images : Images, optional
        Contents of the engine's memories, for weights in the bitstream.

    Attributes
    ----------
    clock_hz : int
        The clock that results.
    baud : int
        Rate of the serial line.

    Raises UserError if the clock is out of reach, no serial rate fits it, or the board has no pins for link or flash.
    """

    def __init__(
        self,
        board: Board,
        config: EngineConfig,
        clock_hz: int | None = None,
        *,
        design: Any = None,
        attachment: Attachment | None = None,
        images: Images | None = None,
    ) -> None:
        self.board = board
        self.attachment = attachment = attachment or Attachment()
        attachment.check(board)
        attachment.check_engine(board, config)
        self.boot = attachment.weights == "flash"
        self.pll_setting = board.pll_setting(board.default_clock_hz if clock_hz is None else clock_hz)
        self.clock_hz = board.clock_hz(clock_hz)
        self.baud = board.baud(self.clock_hz, attachment.baud)
        self.design = design or Harness(
            config,
            divisor=board.divisor(self.clock_hz, attachment.baud),
            clock_hz=self.clock_hz,
            link=attachment.link,
            boot_address=board.flash.address if self.boot and board.flash else None,
            contents=images if attachment.weights == "bitstream" else None,
            sdram=board.sdram,
        )
        self.streaming = config.streaming

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self.board
        oscillator = platform.request(*board.clock_resource, dir="-")
        m.submodules.reset = reset = PowerOnReset(max(1, round(self.clock_hz * _RESET_SECONDS)))
        m.domains.sync = ClockDomain()
        setting = self.pll_setting
        if setting is None:
            m.submodules.oscillator = buffer = io.Buffer("i", oscillator)
            m.d.comb += [ClockSignal().eq(buffer.i), reset.locked.eq(1)]
        else:
            pll: Pll | Ice40PadPll
            if board.pll_on_pad:
                assert isinstance(setting, Ice40PllSetting)
                m.submodules.pll = pll = Ice40PadPll(setting, oscillator.io)
            else:
                m.submodules.pll = pll = make_pll(setting)
                m.submodules.oscillator = buffer = io.Buffer("i", oscillator)
                m.d.comb += pll.reference.eq(buffer.i)
            m.d.comb += [ClockSignal().eq(pll.clock), reset.locked.eq(pll.locked)]
        m.d.comb += [reset.clock.eq(ClockSignal()), ResetSignal().eq(reset.reset)]

        m.submodules.design = design = self.design
        if self.attachment.link == "spi":
            self._spi(m, platform)
        else:
            uart = platform.request(*board.uart_resource, dir="-")
            m.submodules.rx = rx = io.Buffer("i", uart.rx)
            m.submodules.tx = tx = io.Buffer("o", uart.tx)
            m.d.comb += [design.rx.eq(rx.i), tx.o.eq(design.tx)]
        if self.boot:
            self._flash(m, platform)
        if self.streaming:
            m.submodules.sdram = memory = Ecp5SdramPins(platform.request("sdram", 0, dir="-"))
            wiring.connect(m, design.sdram, memory.pins)
        ports: dict[tuple[str, int], Any] = {}

        def output(name: str, number: int, subsignal: str = "") -> io.Buffer:
            if (name, number) not in ports:
                ports[name, number] = platform.request(name, number, dir="-")
            port = ports[name, number]
            return io.Buffer("o", getattr(port, subsignal) if subsignal else port)

        for bit, light in enumerate(board.leds):
            if light is not None:
                m.submodules[f"led_{bit}"] = led = output(*light)
                m.d.comb += led.o.eq(design.led[bit])
        for name, number, subsignal in board.tie_high:
            m.submodules[f"{name}_{subsignal}"] = high = output(name, number, subsignal)
            m.d.comb += high.o.eq(Const(1))
        for name, number in board.keep_inactive:
            m.submodules[name] = inactive = output(name, number)
            m.d.comb += inactive.o.eq(Const(0))
        return m

    def _spi(self, m: Module, platform: Any) -> None:
        assert self.board.spi is not None
        platform.add_resources([self.board.spi.resource(self.board.family)])
        pins = platform.request("host_spi", 0, dir="-")
        for name in ("cs", "sck", "copi"):
            m.submodules[f"spi_{name}"] = buffer = io.Buffer("i", getattr(pins, name))
            m.d.comb += getattr(self.design, f"spi_{name}").eq(buffer.i)
        m.submodules.spi_cipo = output = io.Buffer("o", pins.cipo)
        m.d.comb += [output.o.eq(self.design.spi_cipo), output.oe.eq(self.design.spi_drive)]

    def _flash(self, m: Module, platform: Any) -> None:
        assert self.board.flash is not None
        platform.add_resources([self.board.flash.pins(platform, self.board.family)])
        pins = platform.request("boot_flash", 0, dir="-")
        outputs = {"cs": self.design.flash_cs, "copi": self.design.flash_copi, "wp": Const(0), "hold": Const(0)}
        if self.board.family is Family.ECP5:
            m.submodules.flash_clk = Instance("USRMCLK", i_USRMCLKI=self.design.flash_sck, i_USRMCLKTS=Const(0))
        else:
            outputs["clk"] = self.design.flash_sck
        for name, level in outputs.items():
            if hasattr(pins, name):
                m.submodules[f"flash_{name}"] = buffer = io.Buffer("o", getattr(pins, name))
                m.d.comb += buffer.o.eq(level)
        m.submodules.flash_cipo = answer = io.Buffer("i", pins.cipo)
        m.d.comb += self.design.flash_cipo.eq(answer.i)
