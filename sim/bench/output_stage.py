"""Bench of ``OutputStage``: parameters early, late and beside the exchange; groups and pixels as close as allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cocotb

from ..golden.output_stage import output_stage
from .pipeline import measured_latency
from .unit import Monitor, Unit, extreme, run_units

_IN_USE = 4
"""Cycles from ``loaded`` until the parameters are in use, if no others are."""


class _Group:
    """One output group: the parameters of its lanes and the cycle of its ``loaded``."""

    def __init__(self, unit: Unit) -> None:
        chance, told = unit.chance, unit.told
        half = 1 << told["offset_width"] - 1
        bound = half - (1 << told["accumulator_width"] + told["multiplier_width"] - 1)
        self.parameters = [
            (
                extreme(chance, 0, (1 << told["multiplier_width"]) - 1),
                extreme(chance, -bound, bound - 1),
                chance.randrange(len(told["shifts"])),
            )
            for _ in range(told["n"])
        ]
        self.loaded: int | None = None

    def row(self, unit: Unit, index: int) -> list[int]:
        """Row number ``index`` of all lanes."""
        told = unit.told
        rows = []
        for multiplier, offset, code in self.parameters:
            bits = multiplier | (offset % (1 << told["offset_width"])) << told["multiplier_width"]
            bits |= code << told["multiplier_width"] + told["offset_width"]
            rows.append(bits >> 8 * told["m"] * index & (1 << 8 * told["m"]) - 1)
        return rows


class _Driver:
    """Sends the parameters of groups as credits allow, and their pixels, each on its own schedule.

    Both schedules are generators that yield at the end of each cycle.
    """

    def __init__(self, unit: Unit, idle: float, lateness: float) -> None:
        self.unit, self.idle, self.lateness = unit, idle, lateness
        self.cycle = 0
        self.groups = [_Group(unit) for _ in range(12)]
        self.credits = 2
        self.expected: list[list[int] | None] = []
        self.ends: list[int] = []
        self.returned: list[int] = []
        self.first_pixels: list[int] = []  # cycles after their group's ``loaded``
        self.follows: list[int] = []  # cycles from a group's ``loaded`` to the next one's first ``load``
        self.row = [0] * unit.told["n"]

    def _rows(self) -> Iterator[None]:
        """Each row one cycle after its ``load``; others in between."""
        unit = self.unit
        while True:
            unit.drive(rows=self.row)
            self.row = [unit.chance.getrandbits(8 * unit.told["m"]) for _ in range(unit.told["n"])]
            yield

    def _parameters(self) -> Iterator[None]:
        unit, chance = self.unit, self.unit.chance
        before: int | None = None
        for group in self.groups:
            late = chance.randrange(2)  # the other groups come at once
            while self.credits == 0 or (late and chance.random() < self.lateness):
                yield
            self.credits -= 1
            for index in range(unit.told["rows"]):
                last = index == unit.told["rows"] - 1
                unit.drive(load=1, loaded=int(last))
                self.row = group.row(unit, index)
                if index == 0 and before is not None:
                    self.follows.append(self.cycle - before)
                if last:
                    group.loaded = before = self.cycle
                yield
                unit.drive(load=0, loaded=chance.randrange(2))
                if last:
                    yield
                while chance.random() < self.idle:
                    yield

    def _pixels(self) -> Iterator[None]:
        unit, chance, told = self.unit, self.unit.chance, self.unit.told
        low, high = -(1 << told["accumulator_width"] - 1), (1 << told["accumulator_width"] - 1) - 1
        earliest = 0
        for group in self.groups:
            while group.loaded is None or self.cycle < group.loaded + _IN_USE:
                yield
            first = True
            for left in reversed(range(chance.randint(1, 6))):
                while self.cycle < earliest or chance.random() < self.idle:
                    yield
                values = [extreme(chance, low, high) for _ in range(told["n"])]
                if first:
                    self.first_pixels.append(self.cycle - group.loaded)
                    first = False
                unit.drive(valid=1, group_end=int(left == 0), accumulators=values)
                self.expected[-1] = output_stage(
                    values, group.parameters, told["shifts"], told["low"], told["high"], told["pivot"], told["nudge"],
                    bool(told["wrap"]),
                )  # fmt: skip
                earliest = self.cycle + told["interval"]
                if left == 0:
                    self.ends.append(self.cycle)
                    earliest = self.cycle + max(told["interval"], told["gap"] + 1)
                yield
                unit.drive(valid=0, group_end=chance.randrange(2), accumulators=[low] * told["n"])

    async def run(self) -> None:
        """All groups, and the cycles until the last exchange."""
        rows = self._rows()
        schedules = [self._parameters(), self._pixels()]
        rest = self.unit.told["latency"] + 30
        while rest:
            self.expected.append(self.expected[-1] if self.expected else None)
            next(rows)
            running = [next(schedule, "ended") is None for schedule in schedules]
            rest -= not any(running)
            await self.unit.tick()
            if self.unit.get("exchanged"):
                self.returned.append(self.cycle)
                self.credits += 1
            self.cycle += 1


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5], lateness=[0.0, 0.95])
async def groups(dut: Any, idle: float, lateness: float) -> None:
    """Every output is made with its own group's parameters; the exchange comes ``gap`` cycles after the group's end.

    The closest pixels and groups that the contract allows do occur.
    """

    async def body(unit: Unit) -> None:
        unit.drive(low=unit.told["low"], high=unit.told["high"], pivot=unit.told["pivot"], wrap=unit.told["wrap"])
        monitor = Monitor(unit, lambda: unit.list("outputs"))
        driver = _Driver(unit, idle, lateness)
        await driver.run()
        observed = [[_signed(value) for value in sample] for sample in monitor.stop()]
        expected = driver.expected[: driver.ends[-1] + 1]
        assert measured_latency(expected, observed, unit.told["latency"]) == unit.told["latency"]
        assert driver.returned == [end + unit.told["gap"] for end in driver.ends]
        if idle == 0.0:
            assert min(driver.first_pixels) == _IN_USE
            assert lateness or min(driver.follows) == 2

    await run_units(dut, body)


def _signed(byte: int | None) -> int | None:
    return byte - 256 if byte is not None and byte > 127 else byte
