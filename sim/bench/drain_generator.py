"""Bench of ``DrainGenerator``: random layers, tiles started as soon as allowed and later; order and cycle of each event."""

from __future__ import annotations

from typing import Any

import cocotb

from ...hw.config import EngineConfig
from ...hw.control.descriptor import Operation, decode, descriptor_layout, encode
from ...hw.control.drain_generator import drain_layout
from ..golden.drain_generator import DrainEvent, drain_tiles, event_times
from .unit import Unit, run_units


class _Judge:
    """Starts tiles, and checks every output in every cycle."""

    def __init__(self, unit: Unit, idle: float) -> None:
        self.unit, self.idle = unit, idle
        self.config = EngineConfig.from_dict(unit.told["config"])
        self.cycle = 0
        self.free = 0
        self.events: dict[int, DrainEvent] = {}
        self.active = range(0)

    async def step(self, start: bool) -> None:
        """One cycle."""
        unit, cycle = self.unit, self.cycle
        unit.drive(start=int(start))
        await unit.tick()
        event = decode(drain_layout(self.config), unit.get("event"))
        due = self.events.pop(cycle, None)
        assert event["valid"] == (due is not None), f"cycle {cycle}: {event} for {due}"
        if due is not None:
            found = DrainEvent(event["slot"], event["pixel"], bool(event["row_end"]), bool(event["map_end"]))
            assert found == due, f"cycle {cycle}"
        assert unit.get("ready") == (cycle >= self.free), f"ready in cycle {cycle}, due in {self.free}"
        assert unit.get("idle") == (cycle not in self.active), f"idle in cycle {cycle}, active in {self.active}"
        self.cycle += 1

    async def layer(self, shape: dict[str, int], pooling: bool) -> None:
        """A whole layer, and its last event."""
        unit, config = self.unit, self.config
        stored = unit.chance.randrange(len(config.output_formats))
        fields = {name: 0 for name, _ in descriptor_layout(config)} | {
            "operation": (Operation.MAX_POOL if pooling else Operation.CONVOLUTION).value,
            "rows_last": shape["rows"] - 1,
            "row_groups_last": shape["row_groups"] - 1,
            "tail_last": shape["tail"] - 1,
            "groups_last": shape["output_groups"] - 1,
            "output_format": stored,
        }
        unit.drive(layer=encode(descriptor_layout(config), fields))
        await self.step(start=False)
        await self.step(start=False)  # a layer is known some cycles before it starts
        unit.drive(go=1)
        await self.step(start=False)
        unit.drive(go=0)
        interval = 1 if pooling else config.pixel_intervals[stored]
        group_interval = 1 if pooling else unit.told["group_interval"]
        for tile in drain_tiles(config.p, 1 if pooling else config.depth, **shape):
            while self.cycle < self.free or unit.chance.random() < self.idle:
                await self.step(start=False)
            times, duration = event_times(tile, interval, group_interval)
            start = self.cycle
            await self.step(start=True)
            self.events = {start + time: event for time, event in zip(times, tile, strict=True)}
            self.active = range(start + times[0], start + times[-1] + 1)
            self.free = start + duration
        while self.events:
            await self.step(start=False)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.7])
async def tiles(dut: Any, idle: float) -> None:
    """The first event comes one cycle after the start, the others in their intervals; ready as soon as the next may start."""

    async def body(unit: Unit) -> None:
        judge, chance = _Judge(unit, idle), unit.chance
        for index in range(9):
            shape = {
                "rows": chance.randint(1, 3), "row_groups": chance.randint(1, 4),
                "tail": chance.randint(1, judge.config.p), "output_groups": chance.randint(1, 3),
            }  # fmt: skip
            await judge.layer(shape, pooling=index % 3 == 2)
            for _ in range(chance.choice([0, 60])):
                await judge.step(start=False)

    await run_units(dut, body)
