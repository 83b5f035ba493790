# amaranth: UnusedElaboratable=no
"""Proofs: the requantizer is its formula for every input, at reduced widths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Array, Assert, Assume, Cover, Elaboratable, Module, Mux, Signal, Value, signed

from macaw.hw.config import EngineConfig
from macaw.hw.output.requantizer import Requantizer
from macaw.sim.proof import prove

NARROW: dict[str, Any] = {"p": 1, "m": 1, "n": 1, "accumulator_width": 12, "multiplier_width": 8, "shifts": (3, 5)}
PARAMETERS = ("multiplier", "offset", "shift_code")
"""Read until ``hold`` cycles after ``valid``."""
LIMITS = ("low", "high", "pivot", "wrap")
"""Read until the output."""


class _SerialProduct(Requantizer):
    """Shows the registers of the serial product."""

    def _serial_product(self, m: Module, product: Signal) -> None:
        self.product = product
        super()._serial_product(m, product)


class _AnyProduct(Requantizer):
    """Has a free input in the place of the serial product."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.product = Signal(signed(config.accumulator_width + config.multiplier_width))

    def _serial_product(self, m: Module, product: Signal) -> None:
        m.d.comb += product.eq(self.product)


class _OnePixel(Elaboratable):
    """One accumulator in the first cycle; its parameters change as soon as they may. ``given``: what it came with."""

    def __init__(self, unit: Requantizer) -> None:
        self.unit = unit
        self.config = unit.config
        self.age = Signal(range(unit.latency + 2))
        self.given = {name: Signal.like(getattr(unit, name), name=f"given_{name}") for name in ("accumulator", *PARAMETERS, *LIMITS)}

    @property
    def ports(self) -> list[Any]:
        unit = self.unit
        free = [unit.product] if isinstance(unit, _AnyProduct) else []
        return [unit.valid, *(getattr(unit, name) for name in self.given), *free]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        unit, age = self.unit, self.age
        m.submodules.unit = unit.elaborate(platform)
        m.d.sync += age.eq(Mux(age == unit.latency + 1, age, age + 1))
        m.d.comb += Assume(unit.valid == (age == 0))
        for name, given in self.given.items():
            port = getattr(unit, name)
            with m.If(age == 0):
                m.d.sync += given.eq(port)
            if name != "accumulator":
                over = age > unit.hold if name in PARAMETERS else 0
                m.d.comb += Assume((age == 0) | over | (port == given))
        self._rules(m)
        return m

    def _rules(self, m: Module) -> None:
        raise NotImplementedError


class _Product(_OnePixel):
    """The serial product is that of the definition: twice as much for each bit, plus the accumulator where it is set."""

    def _rules(self, m: Module) -> None:
        config, age, given = self.config, self.age, self.given
        digit, steps = config.requantizer_digit, config.requantizer_steps
        width = config.accumulator_width + config.multiplier_width
        bits = [*given["multiplier"], *([0] * (steps * digit - config.multiplier_width))]
        product: Value = Signal(signed(width), name="product_0")
        for step in range(steps + 1):
            m.d.comb += Assert((age != step + 1) | (self.unit.product == product))
            for _ in range(min(digit, len(bits))):
                following = Signal(signed(width), name=f"product_of_{len(bits)}")
                m.d.comb += following.eq(2 * product + Mux(bits.pop(), given["accumulator"], 0).as_signed())
                product = following
        m.d.comb += Cover((age == steps + 1) & (self.unit.product == -2047 * 251))


class _Formula(_OnePixel):
    """The output is the formula of the product and stays."""

    def _rules(self, m: Module) -> None:
        config, unit, age, given = self.config, self.unit, self.age, self.given
        product = Signal(signed(config.accumulator_width + config.multiplier_width))
        if isinstance(unit, _AnyProduct):
            with m.If(age == 1 + config.requantizer_steps):
                m.d.sync += product.eq(unit.product)
        else:
            m.d.comb += product.eq(given["accumulator"] * given["multiplier"])
        m.d.comb += Assume((age == 0) | (given["low"] <= given["high"]))
        total = product + given["offset"]
        known = age > (1 + config.requantizer_steps if config.requantizer_digit else 0)
        m.d.comb += Assume(~known | (total >= -(1 << config.offset_width - 1)) & (total < 1 << config.offset_width - 1))
        shifted, lowered = Signal.like(total), Signal.like(total)
        m.d.comb += shifted.eq(Array([total >> shift for shift in config.shifts])[given["shift_code"]])
        m.d.comb += lowered.eq(shifted)
        if config.nudge:
            rest = Array([(total - ((total >> shift) << shift)) < 1 << config.nudge for shift in config.shifts])[given["shift_code"]]
            with m.If(rest & (shifted <= given["pivot"])):
                m.d.comb += lowered.eq(shifted - 1)
        clamped = Mux(shifted > given["high"], given["high"], Mux(lowered < given["low"], given["low"], lowered))
        wanted = Mux(given["wrap"], shifted[:8].as_signed(), clamped) if config.wrapping else clamped
        m.d.comb += [
            Assert((age < unit.latency) | (unit.output == wanted)),
            Cover((age == unit.latency) & (unit.output == -3) & (shifted > -4) & (shifted < 100)),
        ]


def _prove(spec: _OnePixel, folder: Path) -> None:
    depth = spec.unit.latency + 3
    prove(spec, spec.ports, folder, depth=depth, bounded=True, cover=depth)


_OPTIONS = [
    pytest.param({}, id="pipelined"),
    pytest.param({"nudge": 2}, id="nudge", marks=pytest.mark.slow),
    pytest.param({"wrapping": True}, id="wrapping", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("options", _OPTIONS)
def test_formula(options: dict[str, Any], tmp_path: Path) -> None:
    """With a pipelined product."""
    _prove(_Formula(Requantizer(EngineConfig(**NARROW, **options))), tmp_path)


@pytest.mark.parametrize("options", [{}, {"nudge": 2, "wrapping": True}], ids=["plain", "nudge_and_wrapping"])
def test_formula_of_any_product(options: dict[str, Any], tmp_path: Path) -> None:
    """With a serial product, of which ``test_serial_product`` shows that it is one."""
    _prove(_Formula(_AnyProduct(EngineConfig(**NARROW, **options, requantizer_digit=4))), tmp_path)


@pytest.mark.parametrize("digit", [2, *(pytest.param(digit, marks=pytest.mark.slow) for digit in (1, 3, 4))])
def test_serial_product(digit: int, tmp_path: Path) -> None:
    """Apart from the rest: a solver that is to find two different multipliers equal does not end."""
    _prove(_Product(_SerialProduct(EngineConfig(**NARROW, requantizer_digit=digit))), tmp_path)
