"""Bench of ``CompressorTree``: all operands of small trees, no and all bits set, random ones; the latency."""

from __future__ import annotations

from typing import Any

import cocotb

from ..golden.compressor_tree import compressor_tree
from .pipeline import measured_latency, run_pipeline, with_idle
from .unit import Unit, run_units


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def totals(dut: Any, idle: float) -> None:
    """Every total is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        bits = unit.width("operands")
        if bits <= 10:
            operands = list(range(1 << bits))
        else:
            operands = [0, (1 << bits) - 1, *(1 << unit.chance.randrange(bits) for _ in range(20))]
            operands += [unit.chance.getrandbits(bits) for _ in range(300)]
        stimulus = with_idle(unit, [{"operands": word} for word in operands], idle)
        observed = await run_pipeline(unit, stimulus, lambda: unit.peek("total"))
        told = unit.told
        expected = [
            compressor_tree(entry["operands"], told["terms"], told["constant"], told["width"]) for entry in stimulus
        ]
        assert measured_latency(expected, observed) == told["latency"]

    await run_units(dut, body)
