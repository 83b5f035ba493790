"""A board's top level: pins, clock, reset, and the harness between them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Module, ResetSignal
from amaranth.lib import io

from ..hw.config import EngineConfig
from .board import Board
from .clock.ecp5_pll import Ecp5Pll, Ecp5PllSetting
from .clock.gowin_pll import GowinPll, GowinPllSetting
from .clock.ice40_pll import Ice40CorePll, Ice40PadPll, Ice40PllSetting
from .clock.power_on_reset import PowerOnReset
from .harness import Harness

__all__ = ["BoardTop"]

_RESET_SECONDS = 20e-6


class BoardTop(Elaboratable):
    """The engine on a board: oscillator to PLL to domain ``sync``, serial line and lights to the harness.

    Parameters
    ----------
    board : Board
    config : EngineConfig
    clock_hz : int, optional
        Wanted clock; the PLL takes the nearest frequency at or below it. The board's default without it.
    design : Component, optional
        Takes the harness's place: members ``rx``, ``tx`` and ``led`` as there.

    Attributes
    ----------
    clock_hz : int
        The clock that results.
    baud : int
        Rate of the serial line.

    Raises UserError if the clock is out of reach or no serial rate fits it.
    """

    def __init__(self, board: Board, config: EngineConfig, clock_hz: int | None = None, *, design: Any = None) -> None:
        self.board = board
        self.pll_setting = board.pll_setting(board.default_clock_hz if clock_hz is None else clock_hz)
        self.clock_hz = board.clock_hz(clock_hz)
        self.baud = board.baud(self.clock_hz)
        self.design = design or Harness(config, divisor=board.divisor(self.clock_hz), clock_hz=self.clock_hz)

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
            pll: Ecp5Pll | GowinPll | Ice40CorePll | Ice40PadPll
            if board.pll_on_pad:
                assert isinstance(setting, Ice40PllSetting)
                m.submodules.pll = pll = Ice40PadPll(setting, oscillator.io)
            else:
                if isinstance(setting, Ecp5PllSetting):
                    pll = Ecp5Pll(setting)
                elif isinstance(setting, GowinPllSetting):
                    pll = GowinPll(setting)
                else:
                    pll = Ice40CorePll(setting)
                m.submodules.pll = pll
                m.submodules.oscillator = buffer = io.Buffer("i", oscillator)
                m.d.comb += pll.reference.eq(buffer.i)
            m.d.comb += [ClockSignal().eq(pll.clock), reset.locked.eq(pll.locked)]
        m.d.comb += [reset.clock.eq(ClockSignal()), ResetSignal().eq(reset.reset)]

        m.submodules.design = design = self.design
        uart = platform.request(*board.uart_resource, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [design.rx.eq(rx.i), tx.o.eq(design.tx)]
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
