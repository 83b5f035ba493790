"""What is exported: an engine, its bus, its names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from amaranth.utils import ceil_log2

from ..hw.attached_engine import AxiEngine, WishboneEngine
from ..hw.bus.address_window import AddressWindow
from ..hw.config import EngineConfig
from ..hw.engine import Engine
from ..hw.errors import UserError
from ..hw.memory.map_layout import MapLayout
from ..hw.primitives.target import Family

__all__ = ["BUSES", "FORMS", "Design", "module_name"]

BUSES = {
    "axi": "AXI4-Lite and AXI4-Stream",
    "wishbone": "Wishbone B4, classic",
    "wishbone-pipelined": "Wishbone B4, pipelined",
    "core": "the core port",
}
"""What can be around the engine, with its name for people."""

FORMS = {
    "verilog": ("axi", "wishbone", "wishbone-pipelined", "core"),
    "fusesoc": ("axi", "wishbone", "wishbone-pipelined", "core"),
    "litex": ("wishbone",),
    "vivado-ip": ("axi",),
}
"""Forms of an export, each with the buses that it can have; the first is taken where none is named."""

_KEYWORDS = ("module", "wire", "reg", "input", "output", "assign", "begin", "end", "initial", "always")


def module_name(text: str) -> str:
    """A module's name out of a file's. Raises UserError if there is nothing in it to name a module by."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    if not name:
        raise UserError(f"{text!r} has no letter or digit to name a module by: choose a name with --name.")
    return name if name[0].isalpha() else f"n{name}"


@dataclass(frozen=True, kw_only=True)
class Design:
    """An engine to be exported.

    Attributes
    ----------
    name : str
        Of the top module and of files: a Verilog identifier in lower case.
    bus : str
        A key of :data:`BUSES`.
    config : EngineConfig
    model : str
        The model's file name, for people.
    cycles : int
        Of an inference.
    source, target : MapLayout
        The input and the output map.
    family : Family or None
        The vendor whose cells the Verilog may contain; None: no cells.
    version : str
        Of Macaw.
    memory_base, memory_words : int
        Of an engine that streams weights: where they lie on the bus of its AXI4 master, in bytes, and how many words they are.
    """

    name: str
    bus: str
    config: EngineConfig
    model: str
    cycles: int
    source: MapLayout
    target: MapLayout
    family: Family | None
    version: str
    memory_base: int = 0
    memory_words: int = 0

    def __post_init__(self) -> None:
        if self.bus not in BUSES:
            raise UserError(f"There is no bus {self.bus!r}: choose one of {', '.join(BUSES)}.")
        if self.config.streaming and self.bus != "axi":
            raise UserError(
                f"The engine reads weights from an external memory, for which only AXI has a port, not {self.bus}: take --bus axi, "
                "or build for a device whose block RAM holds all weights."
            )
        if self.name in _KEYWORDS:
            raise UserError(f"{self.name!r} cannot name a module: it is a word of Verilog's own.")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UserError(
                f"{self.name!r} cannot name a module: take a lower-case letter, then lower-case letters, digits and underscores."
            )

    @property
    def window(self) -> AddressWindow:
        """Where the core's regions lie on the bus; the core port has all of the core's own space."""
        return AddressWindow() if self.bus == "core" else AddressWindow.of(self.config)

    def words(self, layout: MapLayout) -> tuple[int, int]:
        """First offset in FEATURES of a map, and its words, gaps included."""
        bits = self.config.bank_bits + ceil_log2(self.config.feature_segments)
        return layout.base << bits, layout.size << bits

    @property
    def inside(self) -> str:
        """What the top module's only part is called."""
        return "engine" if self.bus == "core" else "attached"

    @property
    def description(self) -> str:
        """One line for people."""
        return f"Accelerator of the network {self.model}: {BUSES[self.bus]}, {self.config}, {self.cycles:,} cycles an inference"

    def component(self) -> Any:
        """A fresh component: the engine behind its bus."""
        if self.bus == "axi":
            first, words = self.words(self.source)
            output_first, output_words = self.words(self.target)
            return AxiEngine(
                self.config, self.window, input_first=first, input_words=words, output_first=output_first,
                output_words=output_words, memory_base=self.memory_base,
            )  # fmt: skip
        if self.bus == "core":
            return Engine(self.config)
        return WishboneEngine(self.config, self.window, pipelined=self.bus == "wishbone-pipelined")
