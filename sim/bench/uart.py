"""Bench of ``UartReceiver`` and ``UartTransmitter``: levels of the line against the golden model."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..golden.uart import decode_levels, encode_byte
from ..simulator import bench_parameters
from .stream import StreamSink, StreamSource, start


async def _drive(dut: Any, levels: list[int]) -> None:
    for level in levels:
        dut.rx.value = level
        await RisingEdge(dut.clk)


def _levels(values: bytes, divisor: float) -> list[int]:
    """One level a clock cycle, for bits of any length."""
    bits = [level for value in values for level in encode_byte(value)]
    edges = [round(index * divisor) for index in range(len(bits) + 1)]
    return [bit for bit, a, b in zip(bits, edges[:-1], edges[1:], strict=True) for _ in range(b - a)]


class _Errors:
    def __init__(self, dut: Any) -> None:
        self.count = 0
        self.task = cocotb.start_soon(self._run(dut))

    async def _run(self, dut: Any) -> None:
        while True:
            await RisingEdge(dut.clk)
            self.count += int(dut.error.value)


async def _receiver(dut: Any, *, stall: float = 0.0) -> tuple[StreamSink, _Errors]:
    dut.rx.value = 1
    sink = StreamSink(dut, "o", stall=stall, seed=cocotb.RANDOM_SEED)
    await start(dut, [])
    return sink, _Errors(dut)


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.8])
async def receive(dut: Any, stall: float) -> None:
    """Bytes back to back, then with pauses."""
    divisor = bench_parameters()["divisor"]
    chance = random.Random(cocotb.RANDOM_SEED)
    sink, errors = await _receiver(dut, stall=stall)
    values = bytes(range(0, 256, 3))
    levels = _levels(values, divisor)
    for value in chance.randbytes(30):
        levels += [1] * chance.randrange(3 * divisor) + _levels(bytes([value]), divisor)
    levels += [1] * 12 * divisor
    await _drive(dut, levels)
    assert (sink.received, errors.count) == decode_levels(levels, divisor)
    assert sink.received[: len(values)] == list(values)


@cocotb.test()
async def receive_with_skew(dut: Any) -> None:
    """A sender that is 3 % fast or slow, for divisors of 16 or more."""
    divisor = bench_parameters()["divisor"]
    if divisor < 16:
        return
    sink, errors = await _receiver(dut)
    values = random.Random(cocotb.RANDOM_SEED).randbytes(60)
    for skew in (0.97, 1.03):
        sink.received.clear()
        await _drive(dut, _levels(values, divisor * skew) + [1] * 12 * divisor)
        assert bytes(sink.received) == values
    assert errors.count == 0


@cocotb.test()
async def receive_faults(dut: Any) -> None:
    """Glitches, bad stop bits and a broken line: the bytes around them arrive, each loss is one error."""
    divisor = bench_parameters()["divisor"]
    sink, errors = await _receiver(dut)
    good, pause = _levels(b"\x5a", divisor), [1] * 12 * divisor
    glitch = [0] * (divisor // 2 - 1) + [1] * divisor
    bad_stop = _levels(b"\x33", divisor)[: 9 * divisor] + [0] * divisor
    broken = [0] * 57 * divisor
    levels = [*glitch, *glitch, *good, *pause, *bad_stop, *pause, *good, *pause, *broken, *pause, *good, *pause]
    await _drive(dut, levels)
    assert bytes(sink.received) == b"\x5a\x5a\x5a"
    assert errors.count == 2
    assert decode_levels(levels, divisor) == (list(b"\x5a\x5a\x5a"), 2)


@cocotb.test()
async def receive_overrun(dut: Any) -> None:
    """A byte that is not taken stays; the one after it is lost with an error."""
    divisor = bench_parameters()["divisor"]
    sink, errors = await _receiver(dut, stall=1.0)
    await _drive(dut, _levels(b"\x11\x22\x33", divisor) + [1] * 12 * divisor)
    assert errors.count == 2
    sink.stall = 0.0
    await _drive(dut, [1] * 4)
    assert bytes(sink.received) == b"\x11"


@cocotb.test()
async def receive_latency(dut: Any) -> None:
    """``latency`` is the time from the falling edge to ``valid``."""
    await _receiver(dut)
    dut.rx.value = 0
    await RisingEdge(dut.clk)
    cycles = 0
    levels = iter(_levels(b"\xff", bench_parameters()["divisor"])[1:] + [1] * 100)
    while not int(dut.o__valid.value):
        dut.rx.value = next(levels)
        await RisingEdge(dut.clk)
        cycles += 1
    assert cycles == bench_parameters()["latency"]


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.95])
async def transmit(dut: Any, idle: float) -> None:
    """The line carries the bytes; without idle the last bit ends exactly after 10 bit times a byte."""
    divisor = bench_parameters()["divisor"]
    source = StreamSource(dut, "i", idle=idle, seed=cocotb.RANDOM_SEED)
    await start(dut, [])
    assert int(dut.tx.value) == 1
    values = random.Random(cocotb.RANDOM_SEED).randbytes(80)
    levels: list[int] = []

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            levels.append(int(dut.tx.value))

    cocotb.start_soon(watch())
    await source.send(values)
    for _ in range(12 * divisor):
        await RisingEdge(dut.clk)
    assert decode_levels(levels, divisor) == (list(values), 0)
    if idle == 0.0:
        at = levels.index(0)
        assert at == bench_parameters()["latency"]
        assert levels[at : at + 800 * divisor] == _levels(values, divisor)
        assert all(levels[at + 800 * divisor :])
