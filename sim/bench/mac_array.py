"""Bench of ``MacArray``: all sums of p windows and n rows, new ones every cycle and with pauses; the latency."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.mac_array import mac_array
from .pipeline import measured_latency, run_pipeline, with_idle
from .unit import Unit, run_units
from .word_bytes import from_word, random_bytes, to_word


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def sums(dut: Any, idle: float) -> None:
    """Every sum is exact, in its place, and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        p, m, n = unit.told["p"], unit.told["m"], unit.told["n"]
        entries = []
        for _ in range(100):
            windows, weights = random_bytes(unit.chance, p, m), random_bytes(unit.chance, n, m)
            entries.append({"windows": list(map(to_word, windows)), "weights": list(map(to_word, weights))})
        stimulus = with_idle(unit, entries, idle)
        observed = await run_pipeline(unit, stimulus, lambda: unit.list("sums"))
        expected = [
            mac_array(
                np.array([from_word(word, m) for word in entry["windows"]], np.int8),
                np.array([from_word(word, m) for word in entry["weights"]], np.int8),
            ).tolist()
            for entry in stimulus
        ]
        assert measured_latency(expected, observed) == unit.told["latency"]

    await run_units(dut, body)
