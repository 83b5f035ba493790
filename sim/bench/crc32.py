"""Bench of ``Crc32``: messages of all short lengths against the golden model and zlib, the match flag."""

from __future__ import annotations

import random
import zlib
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..golden.crc32 import crc32
from .stream import start


async def _feed(dut: Any, message: bytes, chance: random.Random) -> None:
    dut.clear.value = 1
    dut.i__valid.value = chance.randrange(2)  # a byte beside clear is dropped
    await RisingEdge(dut.clk)
    dut.clear.value = 0
    for byte in message:
        dut.i__valid.value = 0
        for _ in range(chance.randrange(2)):
            dut.i__payload.value = chance.randrange(256)
            await RisingEdge(dut.clk)
        dut.i__valid.value = 1
        dut.i__payload.value = byte
        await RisingEdge(dut.clk)
    dut.i__valid.value = 0
    await RisingEdge(dut.clk)


@cocotb.test()
async def messages(dut: Any) -> None:
    """The value after any message is the golden one and zlib's; match is high after message and checksum only."""
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut, ["clear", "i__payload", "i__valid"])
    assert int(dut.crc.value) == 0
    for length in [*range(20), 100, 257]:
        message = chance.randbytes(length)
        await _feed(dut, message, chance)
        assert int(dut.crc.value) == crc32(message) == zlib.crc32(message)
        closed = message + crc32(message).to_bytes(4, "little")
        await _feed(dut, closed, chance)
        assert int(dut.match.value) == 1
        broken = bytearray(closed)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        await _feed(dut, bytes(broken), chance)
        assert int(dut.match.value) == 0
