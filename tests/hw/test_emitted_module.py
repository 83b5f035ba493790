"""A component whose Verilog is used as a module in that of another: instance and module have the same ports."""

from __future__ import annotations

import re
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macaw.boards.harness import Harness
from macaw.hw.config import EngineConfig
from macaw.hw.emit import verilog
from macaw.hw.emitted_module import EmittedModule
from macaw.hw.engine import Engine

CONFIG = EngineConfig(p=2, m=3, n=2, feature_depth=16, weight_depth=16, program_depth=32, tap_depth=4)


class _Counter(wiring.Component):
    """Adds ``step`` to ``total`` in each cycle."""

    step: Any
    total: Any

    def __init__(self) -> None:
        super().__init__({"step": In(4), "total": Out(8)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.total.eq(self.total + self.step)
        return m


def _ports(module: str, text: str) -> set[str]:
    header = re.search(rf"^module {module}\((.*?)\);", text, re.MULTILINE | re.DOTALL)
    assert header is not None
    return {name.strip() for name in header[1].split(",")}


def test_instance_has_the_module_s_ports() -> None:
    counter = _Counter()
    inner = verilog(counter, name="counter")
    outer = verilog(EmittedModule(counter, "counter"), name="outer")
    instance = re.search(r"^  counter emitted \((.*?)\);", outer, re.MULTILINE | re.DOTALL)
    assert instance is not None
    connected = dict(re.findall(r"\.(\w+)\((\w+)\)", instance[1]))
    assert set(connected) == _ports("counter", inner) == {"clk", "rst", "step", "total"}
    assert all(name == wire for name, wire in connected.items())
    assert "always" not in outer


def test_harness_around_an_emitted_engine() -> None:
    engine = Engine(CONFIG, clock_hz=1_000_000)
    core = verilog(engine, name="core")
    board = verilog(Harness(CONFIG, divisor=8, clock_hz=1_000_000, engine=EmittedModule(engine, "core")))
    instance = re.search(r"^  core emitted \((.*?)\);", board, re.MULTILINE | re.DOTALL)
    assert instance is not None
    assert set(re.findall(r"\.(\w+)\(", instance[1])) == _ports("core", core)
    modules = re.findall(r"^module (\S+) ?\(", board + core, re.MULTILINE)
    assert len(modules) == len(set(modules))
    assert {"top", "core"} <= set(modules)
