"""Bench of ``AccumulationBuffer``: sums of any length in any slot order, with pauses; both halves at once; wrapping."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np

from ..golden.accumulation_buffer import AccumulationBufferModel
from .pipeline import given_early, measured_latency, run_pipeline
from .unit import Unit, extreme, run_units

_CONTROL = ("valid", "last", "slot", "scale")
"""What is given one cycle before the sums."""


def _slots(order: str, depth: int, chance: random.Random) -> Iterator[int]:
    slot = 0
    while True:
        yield slot
        slot = (
            (slot + 1) % depth if order == "up" else (slot - 1) % depth if order == "down" else chance.randrange(depth)
        )


@cocotb.test()
@cocotb.parametrize(order=["up", "down", "random"], idle=[0.0, 0.4], ending=[0.1, 0.6])
async def sums(dut: Any, order: str, idle: float, ending: float) -> None:
    """A finished sum can be read from the cycle after its last terms until those of the slot's next one."""

    async def body(unit: Unit) -> None:
        p, n, depth, width, finish = (unit.told[name] for name in ("p", "n", "depth", "width", "finish"))
        chance = unit.chance
        model = AccumulationBufferModel(p, n, depth, width)
        sum_width = unit.width("sums__0")
        low, high = -(1 << sum_width - 1), (1 << sum_width - 1) - 1
        slots = _slots(order, depth, chance)
        stimulus: list[dict[str, Any]] = []
        expected: list[Any] = []
        for _ in range(120):
            drain_slot, drain_pixel = chance.randrange(depth), chance.randrange(p)
            valid, last = chance.random() >= idle, chance.random() < ending
            terms = [extreme(chance, low, high) for _ in range(p * n)]
            slot = next(slots) if valid else chance.randrange(depth)
            scale = {"scale": chance.randrange(2)} if unit.told["adding"] else {}
            stimulus.append(
                {"sums": terms, "valid": int(valid), "last": int(last), "slot": slot, "drain_slot": drain_slot,
                 "drain_pixel": drain_pixel, **scale}
            )  # fmt: skip
            finished = model.finished[drain_slot]
            expected.append(None if finished is None else finished[drain_pixel].tolist())
            if valid:
                model.step(slot, np.array(terms).reshape(p, n), last, bool(scale.get("scale")))
        stimulus.append({"valid": 0})
        # What the drain half held before a step's sums is asked for with the sums, or as much later as it holds it longer.
        stimulus = given_early(stimulus, (*_CONTROL, "sums"), finish - 1)
        stimulus = given_early(stimulus, _CONTROL, 1)
        observed = await run_pipeline(unit, stimulus, lambda: unit.list("accumulators"))
        # A selection one cycle later would be that of the next step: from the sums to the accumulators it is one more.
        assert measured_latency(expected, observed[1:]) == unit.told["latency"] - 1

    await run_units(dut, body)


@cocotb.test()
async def reset(dut: Any) -> None:
    """After a reset in the middle of a sum it starts at 0."""

    def plain(unit: Unit) -> dict[str, int]:
        return {"scale": 0} if unit.told["adding"] else {}

    async def leave_sums(unit: Unit) -> None:
        count = unit.told["p"] * unit.told["n"]
        for slot in range(unit.told["depth"]):
            unit.drive(sums=[5] * count, valid=1, slot=slot, **plain(unit))
            await unit.tick()
        unit.drive(valid=0)
        await unit.tick()

    async def begin_again(unit: Unit) -> None:
        p, n, depth = (unit.told[name] for name in ("p", "n", "depth"))
        for slot in range(depth):
            unit.drive(sums=[slot] * (p * n), valid=1, last=1, slot=slot, **plain(unit))  # these sums are those of the slot before
            await unit.tick()
        unit.drive(sums=[depth] * (p * n), valid=0)
        await unit.tick()
        unit.drive(sums=[depth + 1] * (p * n))
        await unit.tick(unit.told["finish"] - 1)
        for slot in range(depth):
            for pixel in range(p):
                unit.drive(drain_slot=slot, drain_pixel=pixel)
                await unit.tick(2)
                assert unit.list("accumulators") == [slot + 1] * n

    await run_units(dut, leave_sums, begin_again)
