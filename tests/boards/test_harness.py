"""The harness answers on its serial line: registers of the engine through frames."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from amaranth.sim import Simulator

from macaw.boards.harness import Harness
from macaw.hw.bus.frame import ANSWER_MAGIC, REQUEST_MAGIC, Operation
from macaw.hw.config import EngineConfig
from macaw.hw.control.register_map import MAGIC, Register

DIVISOR = 8
CLOCK_HZ = 24_000_000


def _frame(operation: Operation, sequence: int, address: int, count: int) -> bytes:
    body = struct.pack("<BBIH", operation, sequence, address, count)
    return REQUEST_MAGIC + body + struct.pack("<I", zlib.crc32(body))


def _decode(levels: list[int]) -> bytes:
    """The bytes in the line's levels, one a cycle."""
    received = bytearray()
    position = 0
    while 0 in levels[position:]:
        start = levels.index(0, position)
        samples = [levels[start + DIVISOR // 2 + i * DIVISOR] for i in range(10)]
        assert (samples[0], samples[9]) == (0, 1)
        received.append(sum(bit << i for i, bit in enumerate(samples[1:9])))
        position = start + DIVISOR // 2 + 9 * DIVISOR
    return bytes(received)


def test_registers_over_the_line() -> None:
    config = EngineConfig(p=1, m=1, n=1, feature_depth=16, weight_depth=16, program_depth=16, tap_depth=4)
    harness = Harness(config, divisor=DIVISOR, clock_hz=CLOCK_HZ)
    levels: list[int] = []

    async def bench(ctx: Any) -> None:
        async def advance(bits: int) -> None:
            for _ in range(bits * DIVISOR):
                await ctx.tick()
                levels.append(ctx.get(harness.tx))

        for register in (Register.MAGIC.value, Register.CLOCK.value):
            for byte in _frame(Operation.READ, register, register, 1):
                for bit in [0, *(byte >> i & 1 for i in range(8)), 1]:
                    ctx.set(harness.rx, bit)
                    await advance(1)
            await advance(10 * 18)

    simulator = Simulator(harness)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(bench)
    simulator.run()

    expected = b""
    for register, value in ((Register.MAGIC.value, MAGIC), (Register.CLOCK.value, CLOCK_HZ)):
        body = struct.pack("<BBHI", 0, register, 1, value)
        expected += ANSWER_MAGIC + body + struct.pack("<I", zlib.crc32(body))
    assert _decode(levels) == expected
