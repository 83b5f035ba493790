"""Bench of ``ByteQueue`` and ``StreamRegister`` of bytes: order under idle and back-pressure, capacity, latency."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..simulator import bench_parameters
from .stream import PATTERNS, StreamSink, StreamSource, start


@cocotb.test()
@cocotb.parametrize(pattern=list(PATTERNS))
async def order(dut: Any, pattern: tuple[float, float]) -> None:
    """Bytes leave in the order in which they came."""
    idle, stall = pattern
    seed = cocotb.RANDOM_SEED
    source = StreamSource(dut, "i", idle=idle, seed=seed)
    sink = StreamSink(dut, "o", stall=stall, seed=seed)
    await start(dut, [])
    values = list(random.Random(seed).randbytes(300))
    await source.send(values)
    await sink.wait_for(len(values), cycles=20_000)
    assert sink.received == values


@cocotb.test()
async def capacity(dut: Any) -> None:
    """It takes as many bytes as stated, then waits; the latency is the stated one."""
    most, latency = bench_parameters()["capacity"], bench_parameters()["latency"]
    await start(dut, ["i__payload", "i__valid", "o__ready"])
    dut.i__valid.value = 1
    await RisingEdge(dut.clk)
    dut.i__valid.value = 0
    cycles = 0
    while not int(dut.o__valid.value):
        await RisingEdge(dut.clk)
        cycles += 1
    assert cycles == latency
    dut.i__valid.value = 1
    taken = 1
    for _ in range(most + 20):
        await RisingEdge(dut.clk)
        taken += int(dut.i__ready.value)
    assert taken == most
