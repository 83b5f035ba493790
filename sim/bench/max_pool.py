"""Bench of ``MaxPoolArray``: maxima over runs of steps of any length, with pauses; the held half while a new run begins."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.max_pool import MaxPoolModel
from .pipeline import measured_latency, run_pipeline
from .unit import Unit, run_units
from .word_bytes import random_bytes, to_word


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5], ending=[1.0, 0.3, 0.05])
async def maxima(dut: Any, idle: float, ending: float) -> None:
    """A maximum can be read from the cycle after its last step until that of the next one's."""

    async def body(unit: Unit) -> None:
        p, m = unit.told["p"], unit.told["m"]
        chance = unit.chance
        model = MaxPoolModel(p, m)
        stimulus, expected = [], []
        most = random_bytes(chance, p, m)  # bounds of a run, or long ones would all end at 127
        for step in range(150):
            windows, pixel = np.minimum(random_bytes(chance, p, m), most), chance.randrange(p)
            valid = step < 12 or chance.random() >= idle
            last = step in (2, 5, 11) or chance.random() < ending  # a few runs at least
            stimulus.append(
                {"windows": list(map(to_word, windows)), "valid": int(valid), "last": int(last), "pixel": pixel}
            )
            expected.append(None if model.held is None else to_word(model.held[pixel]))
            if valid:
                model.step(windows, last)
                most = random_bytes(chance, p, m) if last else most
        stimulus.append({"valid": 0})
        observed = await run_pipeline(unit, stimulus, lambda: unit.peek("word"))
        assert measured_latency(expected, observed) == unit.told["latency"]

    await run_units(dut, body)


@cocotb.test()
async def start_after_reset(dut: Any) -> None:
    """The first maximum after a reset holds nothing of the steps before."""

    async def leave_a_maximum(unit: Unit) -> None:
        unit.drive(windows=[to_word([127] * unit.told["m"])] * unit.told["p"], valid=1)
        await unit.tick()
        unit.drive(valid=0)

    async def begin_again(unit: Unit) -> None:
        lowest = to_word([-128] * unit.told["m"])
        unit.drive(windows=[lowest] * unit.told["p"], valid=1, last=1)
        await unit.tick()
        unit.drive(valid=0)
        await unit.tick(2)
        assert unit.get("word") == lowest

    await run_units(dut, leave_a_maximum, begin_again)
