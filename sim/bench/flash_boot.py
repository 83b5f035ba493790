"""A top for tests of loading from a flash: reader, loader and bridge as on a board, the core port open."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...hw.bus.core_port import CorePort
from ...hw.bus.flash_reader import FlashReader
from ...hw.bus.frame_bridge import FrameBridge
from ...hw.control.flash_loader import FlashLoader

__all__ = ["FlashBoot"]


class FlashBoot(wiring.Component):
    """Pins of a flash, the core port, and the loader's status."""

    flash_cs: Signal
    flash_sck: Signal
    flash_copi: Signal
    flash_cipo: Signal
    status: Signal
    core: wiring.PureInterface

    def __init__(self, identity: int, address: int, *, half_cycles: int, wake_cycles: int) -> None:
        self.reader = FlashReader(address, half_cycles=half_cycles, wake_cycles=wake_cycles)
        self.loader = FlashLoader(identity)
        super().__init__(
            {
                "flash_cs": Out(1),
                "flash_sck": Out(1),
                "flash_copi": Out(1),
                "flash_cipo": In(1),
                "status": Out(3),
                "core": Out(CorePort()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader, m.submodules.loader = reader, loader = self.reader, self.loader
        m.submodules.bridge = bridge = FrameBridge(timeout_cycles=10_000)
        connect(m, reader.o, loader.flash)
        connect(m, loader.request, bridge.i)
        connect(m, bridge.o, loader.answer)
        connect(m, bridge.core, flipped(self.core))
        m.d.comb += [
            self.flash_cs.eq(reader.cs),
            self.flash_sck.eq(reader.sck),
            self.flash_copi.eq(reader.copi),
            reader.cipo.eq(self.flash_cipo),
            reader.stop.eq(loader.done),
            self.status.eq(loader.status),
        ]
        return m
