"""Bench of ``MaxPoolArray``: maxima over runs of steps of any length, with pauses; the held half while a new run begins."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.max_pool import MaxPoolModel
from .pipeline import given_early, measured_latency, run_pipeline
from .unit import Unit, run_units
from .word_bytes import random_bytes, to_word


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5], ending=[1.0, 0.3, 0.05])
async def maxima(dut: Any, idle: float, ending: float) -> None:
    """A maximum can be read from ``latency`` cycles after its last step until the next one replaces it."""

    async def body(unit: Unit) -> None:
        for number, width in enumerate(unit.told["widths"]):
            unit.drive(format=number)
            await every_width(unit, width)

    async def every_width(unit: Unit, width: int) -> None:
        p, m = unit.told["p"], unit.told["m"]
        chance = unit.chance
        model = MaxPoolModel(p, m, width)
        stimulus, expected = [], []
        most = random_bytes(chance, p, m)  # bounds of a run, or long ones would all end at 127
        for step in range(150):
            windows, pixel = np.minimum(random_bytes(chance, p, m), most), chance.randrange(p)
            valid = step < 12 or chance.random() >= idle
            last = step in (2, 5, 11) or chance.random() < ending  # a few runs at least
            if step == 149:  # leave nothing behind
                valid = last = True
            stimulus.append(
                {"windows": list(map(to_word, windows)), "valid": int(valid), "last": int(last), "pixel": pixel}
            )
            expected.append(None if model.held is None else to_word(model.held[pixel]))
            if valid:
                model.step(windows, last)
                most = random_bytes(chance, p, m) if last else most
        stimulus.append({"valid": 0})
        # A pixel selected in this cycle is one of the maximum that is held now: the steps come so long before it.
        held = unit.told["latency"]
        stimulus = given_early(stimulus, ("windows", "valid", "last"), held - 1)
        observed = await run_pipeline(unit, stimulus, lambda: unit.peek("word"))
        assert measured_latency(expected, observed[held - 1 :]) == 1

    await run_units(dut, body)


@cocotb.test()
async def start_after_reset(dut: Any) -> None:
    """The first maximum after a reset holds nothing of the steps before."""

    async def leave_a_maximum(unit: Unit) -> None:
        unit.drive(windows=[to_word([127] * unit.told["m"])] * unit.told["p"], valid=1)
        await unit.tick()
        unit.drive(valid=0)
        await unit.tick(unit.told["latency"] - 1)

    async def begin_again(unit: Unit) -> None:
        lowest, highest = (to_word([value] * unit.told["m"]) for value in (-128, 127))
        unit.drive(windows=[lowest] * unit.told["p"], valid=1, last=1)
        await unit.tick()
        unit.drive(windows=[highest] * unit.told["p"], valid=0)
        await unit.tick(unit.told["latency"] + 1)
        assert unit.get("word") == lowest

    await run_units(dut, leave_a_maximum, begin_again)
