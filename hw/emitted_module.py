"""A component that has Verilog of its own, as a part of another component's Verilog."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["EmittedModule"]


class EmittedModule(wiring.Component):
    """Stands for ``component``, or one with that signature, where it is not to be elaborated again: an instance of the module ``name``, which
    :func:`macaw.hw.emit.verilog` has made of it.

    Members are those of ``component``; clock domain ``sync``.
    """

    def __init__(self, component: wiring.Component | wiring.Signature, name: str) -> None:
        self.name = name
        super().__init__(component if isinstance(component, wiring.Signature) else component.signature)

    def elaborate(self, platform: Any) -> Module:
        ports: dict[str, Any] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            ports[("i_" if member.flow is In else "o_") + "__".join(map(str, path))] = value
        m = Module()
        m.submodules.emitted = Instance(self.name, **ports)
        return m
