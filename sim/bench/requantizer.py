"""Bench of ``Requantizer``: extremes of all operands, pixels as close as allowed and further apart, parameters that change
as soon as they may; the latency."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.requantizer import requantizer
from .pipeline import measured_latency, run_pipeline
from .unit import Unit, extreme, run_units


class _Stimulus:
    """Entries, one a cycle, and the output that each cycle's input leads to."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.widths = {name: unit.width(name) for name in ("accumulator", "multiplier", "offset")}
        self.entries: list[dict[str, Any]] = []
        self.expected: list[int | None] = []

    def parameters(self) -> dict[str, int]:
        """Random parameters whose sum with some accumulator fits."""
        chance = self.unit.chance
        half = 1 << self.widths["offset"] - 1
        product = 1 << self.widths["accumulator"] + self.widths["multiplier"] - 1
        bound = chance.choice([half - product, half - product, 1 << chance.randrange(self.widths["offset"] - 1)])
        bound = min(bound, half - product)
        return {
            "multiplier": extreme(chance, 0, (1 << self.widths["multiplier"]) - 1),
            "offset": extreme(chance, -bound, bound - 1) if bound > 1 else 0,
            "shift_code": chance.randrange(len(self.unit.told["shifts"])),
        }

    def moderate(self) -> dict[str, int]:
        """Random parameters whose outputs are seldom clamped, together with :meth:`reach`."""
        chance = self.unit.chance
        code = chance.randrange(len(self.unit.told["shifts"]))
        step = 1 << self.unit.told["shifts"][code]
        bound = min(100 * step, (1 << self.widths["offset"] - 2) - 1)
        return {
            "multiplier": min(chance.randint(1, 2 * step), (1 << self.widths["multiplier"]) - 1),
            "offset": chance.randint(-bound, bound),
            "shift_code": code,
        }

    def reach(self, parameters: dict[str, int]) -> int:
        """Accumulators below this lead to outputs around the range of a byte."""
        step = 1 << self.unit.told["shifts"][parameters["shift_code"]]
        return min(1 << self.widths["accumulator"] - 1, 200 * step // max(parameters["multiplier"], 1) + 1)

    def garbage(self) -> dict[str, int]:
        """Parameters while nothing is under way."""
        chance = self.unit.chance
        return {
            "multiplier": chance.getrandbits(self.widths["multiplier"]),
            "offset": chance.getrandbits(self.widths["offset"] - 1),
            "shift_code": chance.randrange(len(self.unit.told["shifts"])),
        }

    def beginning(self, parameters: dict[str, int], clamp: dict[str, int]) -> dict[str, int]:
        """Parameters whose sum lies at the beginning of a step near the pivot, or just behind it, for small accumulators."""
        chance, told = self.unit.chance, self.unit.told
        height = chance.randint(clamp["pivot"] - 2, clamp["pivot"] + 2) << told["shifts"][parameters["shift_code"]]
        height += (1 << told["nudge"]) + chance.choice([-2, -1, 0, 1]) if chance.random() < 0.7 else chance.randint(-1, 1)
        return parameters | {"multiplier": chance.randint(0, 1), "offset": height}

    def put(self, valid: int, reach: int = 0, **values: int) -> None:
        """One cycle; an accumulator without valid is garbage."""
        reach = reach or 1 << self.widths["accumulator"] - 1
        accumulator = extreme(self.unit.chance, -reach, reach - 1)
        self.entries.append({"valid": valid, "accumulator": accumulator, **values})
        self.expected.append(self.expected[-1] if self.expected else None)

    def layer(self, low: int, high: int, groups: int, idle: float) -> None:
        """Output groups with the same clamp."""
        told, chance = self.unit.told, self.unit.chance
        clamp = {"low": low, "high": high, "pivot": chance.choice([-128, 127, extreme(chance, -128, 127)])}
        clamp["wrap"] = chance.randrange(2)
        wrap = bool(clamp["wrap"] and told["wrapping"])
        if wrap:
            clamp["pivot"] = -128
        for _ in range(groups):
            moderate = chance.random() < 0.5
            parameters = self.moderate() if moderate else self.parameters()
            near = chance.random() < 0.3
            if near:
                parameters = self.beginning(parameters, clamp)
            for _ in range(chance.randint(1, 8)):
                self.put(1, 2 if near else self.reach(parameters) if moderate else 0, **parameters, **clamp)
                self.expected[-1] = int(
                    requantizer(
                        np.array([self.entries[-1]["accumulator"]]),
                        np.array([parameters["multiplier"]]),
                        np.array([parameters["offset"]]),
                        np.array([told["shifts"][parameters["shift_code"]]]),
                        low,
                        high,
                        clamp["pivot"] if told["nudge"] else -128,
                        told["nudge"],
                        wrap,
                    )[0]
                )
                pause = told["interval"] - 1
                while chance.random() < idle:
                    pause += 1
                for _ in range(pause):
                    self.put(0, **parameters, **clamp)
            since = next(back for back, entry in enumerate(reversed(self.entries)) if entry["valid"])
            for _ in range(max(told["hold"] - since, 0)):
                self.put(0, **parameters, **clamp)
            for _ in range(chance.choice([0, 0, 3])):
                self.put(0, **self.garbage(), **clamp)
        for _ in range(told["latency"] + 1):
            self.put(0, **self.garbage(), **clamp)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5])
async def outputs(dut: Any, idle: float) -> None:
    """Every output is exact, comes after the stated number of cycles and stays until the next one."""

    async def body(unit: Unit) -> None:
        stimulus = _Stimulus(unit)
        for _ in range(12):
            low = unit.chance.choice([-128, -128, extreme(unit.chance, -128, 127)])
            stimulus.layer(low, extreme(unit.chance, low, 127), unit.chance.randint(2, 4), idle)
        observed = await run_pipeline(unit, stimulus.entries, lambda: unit.peek("output"), unit.told["latency"])
        assert measured_latency(stimulus.expected, observed, unit.told["latency"]) == unit.told["latency"]
        assert len(set(stimulus.expected)) > 10

    await run_units(dut, body)
