"""Bench of ``AdderTree``: sums of random and extreme terms, a new set every cycle and with pauses; the latency."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.adder_tree import adder_tree
from .pipeline import measured_latency, run_pipeline, with_idle
from .unit import Unit, extreme, run_units


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def sums(dut: Any, idle: float) -> None:
    """Every sum is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        count, width = unit.told["count"], unit.told["width"]
        low, high = -(1 << width - 1), (1 << width - 1) - 1
        sets = [[low] * count, [high] * count]
        sets += [[extreme(unit.chance, low, high) for _ in range(count)] for _ in range(200)]
        stimulus = with_idle(unit, [{"terms": terms} for terms in sets], idle)
        observed = await run_pipeline(unit, stimulus, lambda: unit.peek("total"))
        expected = adder_tree(np.array([entry["terms"] for entry in stimulus])).tolist()
        assert measured_latency(expected, observed) == unit.told["latency"]

    await run_units(dut, body)
