"""Bench of ``BitPlaneDot``: all small words, extremes and random words, a pair every cycle and with pauses; the latency."""

from __future__ import annotations

from typing import Any

import cocotb

from ..golden.bit_plane_dot import bit_plane_dot
from .unit import Unit, run_units
from .word_pairs import judge_dot


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def totals(dut: Any, idle: float) -> None:
    """Every total is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        parameters = {name: value for name, value in unit.told.items() if name != "latency"}
        await judge_dot(unit, lambda a, w: bit_plane_dot(a, w, **parameters), idle)

    await run_units(dut, body)
