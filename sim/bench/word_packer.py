"""Bench of ``WordPacker``: every format, offset, step and number of bytes; combinational."""

from __future__ import annotations

from itertools import product
from math import gcd
from typing import Any

import cocotb

from ..golden.word_packer import word_packer
from .unit import Unit, run_units


@cocotb.test()
async def every_place(dut: Any) -> None:
    """Mask and masked bytes are the golden ones in the cycle of the inputs; every byte is written exactly once."""

    async def body(unit: Unit) -> None:
        m, n, steps = unit.told["m"], unit.told["n"], unit.told["steps"]
        widths = unit.told["widths"]
        pitch = gcd(m, *(n * width // 8 for width in widths))
        assert steps == max(-(-(offset + n * max(widths) // 8) // m) for offset in range(0, m, pitch))
        for offset, number in product(range(0, m, pitch), range(len(widths))):
            for last_lane in range(n * widths[number] // 8):
                lanes = [unit.chance.randrange(256) for _ in range(n)]
                words = word_packer(lanes, last_lane, offset, m, widths[number])
                assert sum(map(len, words)) == last_lane + 1
                for step in unit.chance.sample(range(steps), steps):
                    unit.drive(lanes=lanes, format=number, last_lane=last_lane, offset=offset, step=step)
                    await unit.tick()
                    expected = words[step] if step < len(words) else {}
                    mask = unit.get("mask")
                    assert mask == sum(1 << byte for byte in expected), (offset, step, last_lane)
                    data = unit.get("word") if mask else 0
                    assert {byte: data >> 8 * byte & 0xFF for byte in expected} == expected, (offset, step, last_lane)

    await run_units(dut, body)
