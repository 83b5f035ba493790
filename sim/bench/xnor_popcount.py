"""Bench of ``XnorPopcount``: all small words, extremes and random words, a pair every cycle and with pauses; the latency."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.xnor_popcount import xnor_popcount
from .unit import Unit, run_units
from .word_pairs import judge_dot


def _bytes(word: int, count: int, kind: Any) -> Any:
    return np.frombuffer(word.to_bytes(count, "little"), kind)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def totals(dut: Any, idle: float) -> None:
    """Every total is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        m = unit.told["m"]

        def golden(activations: int, weights: int) -> int:
            return int(xnor_popcount(_bytes(activations, m, np.uint8), _bytes(weights, m, np.uint8)))

        await judge_dot(unit, golden, idle)

    await run_units(dut, body)
