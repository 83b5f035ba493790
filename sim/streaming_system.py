"""Simulations of an engine together with its external memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..hw.config import EngineConfig
from ..hw.emit import verilog
from ..hw.emitted_module import EmittedModule
from ..hw.engine import Engine
from ..hw.external.sdram_engine import SdramEngine
from ..hw.external.sdram_timing import SdramTiming
from .core_simulation import CoreSimulation
from .cost.external_memory import IdealMemory
from .ideal_memory import WithIdealMemory
from .memory_system import memory_system

__all__ = ["with_ideal_memory", "with_sdram"]


def with_ideal_memory(config: EngineConfig, memory: IdealMemory, folder: Path) -> CoreSimulation:
    """The RTL of an engine with a memory of a given latency and rate, compiled in ``folder``."""
    return _compiled(verilog(WithIdealMemory(Engine(config), memory), name="system"), folder)


def with_sdram(
    config: EngineConfig, timing: SdramTiming, clock_hz: int, pin_delay: int, folder: Path,
    form: Callable[[Any, str], str] | None = None,
) -> CoreSimulation:  # fmt: skip
    """The RTL of an engine with its controller and an SDRAM that ends the simulation where one of its rules is broken. ``form``
    gives the Verilog of engine and controller in the place of :mod:`macaw.hw.emit`, as a netlist."""
    core = SdramEngine(config, clock_hz=clock_hz, timing=timing, pin_delay=pin_delay)
    text = form(core, "core") if form else verilog(core, name="core")
    return _compiled(memory_system(EmittedModule(core, "core"), text, timing, clock_hz, pin_delay, name="system"), folder)


def _compiled(text: str, folder: Path) -> CoreSimulation:
    path = folder / "system.v"
    path.write_text(text)
    return CoreSimulation(path, folder, top="system")
