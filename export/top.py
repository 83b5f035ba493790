"""The top module of an export: the engine behind its bus, with the names that the bus's users know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import data

from .design import Design

__all__ = ["Port", "Top"]

_PREFIXES = {"bus": "s_axi_", "i": "s_axis_", "o": "m_axis_", "memory": "m_axi_"}
_CLOCKS = {
    "axi": ("aclk", "aresetn"), "wishbone": ("wb_clk_i", "wb_rst_i"), "wishbone-pipelined": ("wb_clk_i", "wb_rst_i"),
    "core": ("clk", "rst"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of the top module.

    Attributes
    ----------
    name : str
    width : int
        Bits.
    output : bool
    interface : str
        The prefix of the group that it belongs to: ``s_axi``, ``s_axis``, ``m_axis``, ``m_axi``, ``wb``, ``core``; "" for a group of its own.
    logical : str
        What the group's standard calls it, in lower case.
    """

    name: str
    width: int
    output: bool
    interface: str
    logical: str


class Top(Elaboratable):
    """The component of a design with plain ports. One clock; the reset is synchronous, held for two cycles at least, active
    low for AXI and high elsewhere.

    Attributes
    ----------
    clock, reset : str
        Names of these ports.
    signals : dict of str to tuple
        Name to signal and direction, for :func:`macaw.hw.emit.verilog`.
    ports : list of Port
        In the order of the standards.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        self.component = design.component()
        self.clock, self.reset = _CLOCKS[design.bus]
        self._domain = ClockDomain("sync")
        self._reset = Signal(name=self.reset)
        self._pairs: list[tuple[Value, Value, bool]] = []
        self.ports: list[Port] = []
        self.signals: dict[str, tuple[Any, PortDirection]] = {}
        self._add(self.clock, self._domain.clk, output=False, interface="", logical="clk")
        self._add(self.reset, self._reset, output=False, interface="", logical="rst")
        for path, member, value in self.component.signature.flatten(self.component):
            output = member.flow.name == "Out"
            fields = {"": value}
            if isinstance(value, data.View):
                fields = {name: getattr(value, name) for name in value.shape().members}
            for field, part in fields.items():
                self._member([str(step) for step in path], field, Value.cast(part), output)

    def _member(self, path: list[str], field: str, part: Value, output: bool) -> None:
        """One port for a member, or for a field of its payload."""
        if len(path) == 1:
            name, interface, logical = path[0], "", path[0]
        elif self.design.bus == "core":
            logical = f"{path[1]}_{field or path[2]}"
            name, interface = logical, "core"
        elif self.design.bus == "axi":
            prefix = _PREFIXES[path[0]]
            name, interface, logical = prefix + path[1], prefix.rstrip("_"), path[1]
        else:
            logical = {"dat_w": "dat", "dat_r": "dat"}.get(path[1], path[1])
            name, interface = f"wb_{logical}_{'o' if output else 'i'}", "wb"
        signal = Signal(len(part), name=name)
        self._pairs.append((signal, part, output))
        self._add(name, signal, output=output, interface=interface, logical=logical)

    def _add(self, name: str, signal: Signal, *, output: bool, interface: str, logical: str) -> None:
        self.ports.append(Port(name=name, width=len(signal), output=output, interface=interface, logical=logical))
        self.signals[name] = (signal, PortDirection.Output if output else PortDirection.Input)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = self._domain
        m.submodules[self.design.inside] = self.component
        m.d.comb += self._domain.rst.eq(~self._reset if self.design.bus == "axi" else self._reset)
        for outside, inside, output in self._pairs:
            m.d.comb += outside.eq(inside) if output else inside.eq(outside)
        return m
