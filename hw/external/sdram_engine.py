"""An engine that streams its weights from SDRAM: engine and controller."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, Signature, connect, flipped

from ..bus.core_port import CorePort
from ..config import EngineConfig
from ..engine import Engine
from ..errors import UserError
from .sdram_controller import SdramController, SdramPins
from .sdram_timing import SdramTiming

__all__ = ["SdramEngine"]


class SdramEngine(wiring.Component):
    """What an :class:`~macaw.hw.engine.Engine` is, with the pins of its memory in the place of the memory's port.

    Parameters
    ----------
    config : EngineConfig
        With ``streaming``.
    clock_hz : int
    timing : SdramTiming
    pin_delay : int
        Cycles in registers at the pins (:class:`~macaw.hw.external.sdram_controller.SdramController`).
    engine : Component, optional
        What has the members of an engine that streams, in its place.

    Members
    -------
    port : In(CorePort()), busy : Out(1), error : Out(1)
        As of the engine.
    sdram : Out(SdramPins())

    Raises UserError if the engine does not stream, or the clock is out of the memory's range.
    """

    port: Any
    busy: Signal
    error: Signal
    sdram: Any

    def __init__(
        self, config: EngineConfig, *, clock_hz: int, timing: SdramTiming, pin_delay: int, engine: Any = None
    ) -> None:
        if not config.streaming:
            raise UserError("Engine parameter streaming must be true in an engine with SDRAM.")
        self.config = config
        self.clock_hz = clock_hz
        self.cycles = timing.cycles(clock_hz)
        self.pin_delay = pin_delay
        self.engine = engine
        super().__init__(self.interface())

    @staticmethod
    def interface() -> Signature:
        """Members of any such engine."""
        return Signature({"port": In(CorePort()), "busy": Out(1), "error": Out(1), "sdram": Out(SdramPins())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = engine = self.engine or Engine(self.config, clock_hz=self.clock_hz)
        m.submodules.controller = controller = SdramController(self.cycles, pin_delay=self.pin_delay)
        connect(m, flipped(self.port), engine.port)
        connect(m, engine.memory, controller.port)
        connect(m, controller.pins, flipped(self.sdram))
        m.d.comb += [self.busy.eq(engine.busy), self.error.eq(engine.error)]
        return m
