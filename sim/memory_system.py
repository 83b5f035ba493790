"""A design with pins of an SDRAM, together with the memory: what a simulation of it is made of."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from ..hw.emit import verilog
from ..hw.external.sdram_timing import SdramTiming
from .sdram_model import SdramModel, sdram_model_verilog

__all__ = ["WithSdram", "memory_system"]


class WithSdram(wiring.Component):
    """``design`` with an SDRAM at its member ``sdram``; all other members are this component's.

    The simulation ends where a rule of the memory is broken.
    """

    def __init__(self, design: Any, timing: SdramTiming, clock_hz: int, pin_delay: int) -> None:
        self.design = design
        self.memory = SdramModel(timing, clock_hz, pin_delay=pin_delay)
        super().__init__({name: member for name, member in design.signature.members.items() if name != "sdram"})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.design = self.design
        m.submodules.memory = self.memory
        connect(m, self.design.sdram, self.memory.pins)
        for name, member in self.signature.members.items():
            inner, outer = getattr(self.design, name), getattr(self, name)
            if member.is_signature:
                connect(m, inner, flipped(outer))
            elif member.flow is wiring.In:
                m.d.comb += inner.eq(outer)
            else:
                m.d.comb += outer.eq(inner)
        return m


def memory_system(design: Any, text: str, timing: SdramTiming, clock_hz: int, pin_delay: int, *, name: str) -> str:
    """Verilog of the module ``name``: ``design``, an EmittedModule with the Verilog ``text``, and its SDRAM."""
    return verilog(WithSdram(design, timing, clock_hz, pin_delay), name=name) + text + sdram_model_verilog()
