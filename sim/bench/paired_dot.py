"""Bench of ``PairedDot`` and ``PairTerm``: extremes and random words, a pair every cycle and with pauses; the latency.

Told: ``m``, ``spreading``, ``latency``, and of a dot product ``common_delay``."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from ..golden.paired_dot import pair_term, paired_dot
from .pipeline import given_early, measured_latency, run_pipeline, with_idle
from .unit import Unit, run_units
from .word_pairs import word_pairs


def _bytes(word: int, count: int) -> NDArray[np.uint8]:
    return np.frombuffer(word.to_bytes(count, "little"), np.uint8)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def totals(dut: Any, idle: float) -> None:
    """Every total is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        for spread in (False, True) if unit.told["spreading"] else (False,):
            if unit.told["spreading"]:
                unit.drive(spread=int(spread))
                await unit.tick(2)  # a layer's product is stable long before its windows
            await every_total(unit, spread)

    async def every_total(unit: Unit, spread: bool) -> None:
        m, common_delay = unit.told["m"], unit.told.get("common_delay")
        if common_delay is None:
            words = [int(unit.chance.choice((0, 2 ** (8 * m) - 1, 0xFF00, unit.chance.getrandbits(8 * m)))) for _ in range(300)]
            entries: list[dict[str, Any]] = [{"activations": word} for word in words]
            stimulus = with_idle(unit, entries, idle)
            expected = [int(pair_term(_bytes(entry["activations"], m), spread)) for entry in stimulus]
        else:
            entries = [{"activations": a, "weights": w} for a, w in word_pairs(unit)]
            for entry in entries:
                entry["common"] = int(pair_term(_bytes(entry["activations"], m), spread))
            whole = with_idle(unit, entries, idle)
            expected = [
                int(paired_dot(_bytes(entry["activations"], m), _bytes(entry["weights"], m), spread)) for entry in whole
            ]
            stimulus = given_early(whole, ["activations", "weights"], common_delay)
        observed = await run_pipeline(unit, stimulus, lambda: unit.peek("total"))
        assert measured_latency(expected, observed) == unit.told["latency"]

    await run_units(dut, body)
