"""The LiteX module of an export."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import jinja2

from .design import Design
from .register_table import constants
from .top import Port, Top
from .verilog_text import header

__all__ = ["litex_module"]

_ORIGIN = 0x9000_0000
"""In the example only: LiteX's usual space for input and output begins at 0x80000000."""


def _expression(port: Port) -> str:
    """What LiteX connects a port with."""
    if port.logical in ("clk", "rst"):
        return {"clk": "ClockSignal()", "rst": "ResetSignal()"}[port.logical]
    if port.interface != "wb":
        return port.name
    if port.logical == "dat":
        return "self.bus.dat_r" if port.output else "self.bus.dat_w"
    if port.logical == "adr":  # the SoC's has the window's place on top
        return f"self.bus.adr[:{port.width}]"
    return f"self.bus.{port.logical}"


def litex_module(design: Design, top: Top, verilog: Sequence[str]) -> str:
    """Text of a Python file with a ``LiteXModule``; it needs LiteX 2023.08 or later where it is used, not here."""
    text = (resources.files(__package__) / "litex_module.py.j2").read_text()
    template = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined).from_string(text)
    window_bytes = 1 << design.window.byte_bits
    return template.render(
        comment=header(design).rstrip("\n").replace("//", "#"),
        name=design.name,
        module=f"{design.name}_litex",
        class_name="".join(part.capitalize() for part in design.name.split("_")),
        description=design.description,
        sources=list(verilog),
        window_bytes=window_bytes,
        origin=_ORIGIN,
        constants=constants(design),
        connections=[(f"{'o' if port.output else 'i'}_{port.name}", _expression(port)) for port in top.ports],
    )
