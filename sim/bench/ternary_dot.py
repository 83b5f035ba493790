"""Bench of ``TernaryDot``: all small words, extremes and random words, a pair every cycle and with pauses; the latency."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.ternary_dot import ternary_dot
from .unit import Unit, run_units
from .word_pairs import judge_dot


def _bytes(word: int, count: int, kind: Any) -> Any:
    return np.frombuffer(word.to_bytes(count, "little"), kind)


def _valid(word: int) -> int:
    """Codes 10 become 00."""
    ones = sum(1 << place for place in range(0, word.bit_length() + 1, 2))
    return word & (ones | (word & ones) << 1)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def totals(dut: Any, idle: float) -> None:
    """Every total is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        m = unit.told["m"]

        def golden(activations: int, weights: int) -> int:
            return int(ternary_dot(_bytes(activations, m, np.uint8), _bytes(weights, m, np.uint8)))

        await judge_dot(unit, golden, idle, _valid, _valid)

    await run_units(dut, body)
