# amaranth: UnusedElaboratable=no
"""Proof: the requantizer is its formula for every input, at reduced widths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Array, Assert, Assume, Cover, Elaboratable, Module, Mux, Signal

from macaw.hw.config import EngineConfig
from macaw.hw.control.delay import delay
from macaw.hw.output.requantizer import Requantizer
from macaw.sim.proof import prove

NARROW: dict[str, Any] = {"p": 1, "m": 1, "n": 1, "accumulator_width": 12, "multiplier_width": 8, "shifts": (3, 5)}


class _Formula(Elaboratable):
    """One accumulator; its parameters do not change while they are read."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.unit = Requantizer(config)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.unit = unit = self.unit
        config, latency = self.config, unit.latency
        age = Signal(range(latency + 2))
        m.d.sync += age.eq(Mux(age == latency + 1, age, age + 1))
        inputs = {name: getattr(unit, name) for name in ("accumulator", "multiplier", "offset", "shift_code", "low", "high", "pivot", "wrap")}
        first = {}
        for name, port in inputs.items():
            before = delay(m, port, 1, name)[-1]
            m.d.comb += Assume((age == 0) | (port == before))
            first[name] = before
        m.d.comb += Assume(unit.valid == (age == 0))
        m.d.comb += Assume(first["low"] <= first["high"])
        total = first["accumulator"] * first["multiplier"] + first["offset"]
        m.d.comb += Assume((total >= -(1 << config.offset_width - 1)) & (total < 1 << config.offset_width - 1))
        shifted = Signal.like(total)
        m.d.comb += shifted.eq(Array([total >> shift for shift in config.shifts])[first["shift_code"]])
        lowered = Signal.like(total)
        m.d.comb += lowered.eq(shifted)
        if config.nudge:
            rest = Array([(total - ((total >> shift) << shift)) < 1 << config.nudge for shift in config.shifts])[first["shift_code"]]
            with m.If(rest & (shifted <= first["pivot"])):
                m.d.comb += lowered.eq(shifted - 1)
        clamped = Mux(shifted > first["high"], first["high"], Mux(lowered < first["low"], first["low"], lowered))
        wanted = Mux(first["wrap"], shifted[:8].as_signed(), clamped) if config.wrapping else clamped
        m.d.comb += [
            Assert((age < latency) | (unit.output == wanted)),
            Cover((age == latency) & (unit.output == -3) & (shifted > -4) & (shifted < 100)),
        ]
        return m


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="pipelined"),
        pytest.param({"nudge": 2}, id="nudge", marks=pytest.mark.slow),
        pytest.param({"wrapping": True}, id="wrapping", marks=pytest.mark.slow),
    ],
)
def test_formula(options: dict[str, Any], tmp_path: Path) -> None:
    spec = _Formula(EngineConfig(**NARROW, **options))
    unit = spec.unit
    ports = [
        unit.valid, unit.accumulator, unit.multiplier, unit.offset, unit.shift_code, unit.low, unit.high, unit.pivot, unit.wrap,
    ]  # fmt: skip
    prove(spec, ports, tmp_path, depth=unit.latency + 3, bounded=True, cover=unit.latency + 3)
