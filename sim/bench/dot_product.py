"""Bench of ``DotProduct``: random and extreme bytes, a new pair of vectors every cycle and with pauses; the latency."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.dot_product import dot_product
from .pipeline import measured_latency, run_pipeline, with_idle
from .unit import Unit, run_units
from .word_bytes import random_bytes


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def products(dut: Any, idle: float) -> None:
    """Every dot product is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        m = unit.told["m"]
        pairs = [(np.full(m, -128), np.full(m, weight)) for weight in (-128, 127)]
        pairs += [(random_bytes(unit.chance, m), random_bytes(unit.chance, m)) for _ in range(200)]
        stimulus = with_idle(unit, [{"activations": a.tolist(), "weights": w.tolist()} for a, w in pairs], idle)
        observed = await run_pipeline(unit, stimulus, lambda: unit.peek("total"))
        expected = dot_product(
            np.array([entry["activations"] for entry in stimulus], np.int8),
            np.array([entry["weights"] for entry in stimulus], np.int8),
        )
        assert measured_latency(expected.tolist(), observed) == unit.told["latency"]

    await run_units(dut, body)
