"""Bench of ``SpiSlave``: a master whose clock has nothing to do with the design's, the golden model beside it."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, Timer

from ..golden.spi_slave import SpiSlaveModel
from ..simulator import bench_parameters
from .stream import StreamSink, start

_CYCLE_PS = 10_000  # as ``start`` makes it


class _Board:
    """The slave with a source that offers all bytes at once, so that the moments do not matter."""

    def __init__(self, dut: Any, *, stall: float = 0.0) -> None:
        self.dut = dut
        self.chance = random.Random(cocotb.RANDOM_SEED)
        self.model = SpiSlaveModel()
        self.sink = StreamSink(dut, "o", stall=stall, seed=cocotb.RANDOM_SEED)
        self.errors = 0
        self._to_send: list[int] = []
        dut.i__valid.value = 0
        dut.i__payload.value = 0
        cocotb.start_soon(self._source())
        cocotb.start_soon(self._errors())

    def offer(self, values: bytes) -> None:
        self.model.queue.extend(values)
        self._to_send.extend(values)

    async def _source(self) -> None:
        while True:
            self.dut.i__valid.value = int(bool(self._to_send))
            self.dut.i__payload.value = self._to_send[0] if self._to_send else 0x5A
            await RisingEdge(self.dut.clk)
            if int(self.dut.i__valid.value) and int(self.dut.i__ready.value):
                self._to_send.pop(0)

    async def _errors(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            self.errors += int(self.dut.error.value)

    async def transfer(self, levels: list[int], *, period: float, duty: float = 0.5) -> None:
        """One transfer with a clock of ``period`` cycles; checks what the master hears, two cycles before each rising edge,
        at it, and just before a cycle after it."""
        dut, chance = self.dut, self.chance
        expected = self.model.transfer(levels)
        low = round((1 - duty) * period * _CYCLE_PS)
        high = round(duty * period * _CYCLE_PS)
        await Timer(chance.randrange(1, _CYCLE_PS), "ps")
        dut.cs.value = 1
        dut.copi.value = chance.randrange(2)
        await Timer(5 * _CYCLE_PS, "ps")
        for level, wanted in zip(levels, expected, strict=True):
            dut.copi.value = level
            early = low - 2 * _CYCLE_PS
            await Timer(max(1, early), "ps")
            seen = [int(dut.cipo.value)]
            await Timer(low - max(1, early), "ps")
            assert int(dut.drive.value)
            seen.append(int(dut.cipo.value))
            dut.sck.value = 1
            await Timer(_CYCLE_PS - 1, "ps")
            seen.append(int(dut.cipo.value))
            assert seen == [wanted] * 3, f"heard {seen} for {wanted}"
            await Timer(high - _CYCLE_PS + 1, "ps")
            dut.sck.value = 0
        await Timer(low + 1, "ps")
        dut.cs.value = 0
        dut.copi.value = chance.randrange(2)
        await Timer(8 * _CYCLE_PS, "ps")
        assert not int(dut.drive.value)

    async def settle(self) -> None:
        await Timer(200 * _CYCLE_PS, "ps")
        assert bytes(self.sink.received) == self.model.delivered


def _levels(values: bytes) -> list[int]:
    return [value >> bit & 1 for value in values for bit in range(7, -1, -1)]


async def _board(dut: Any, *, stall: float = 0.0) -> _Board:
    for pin in (dut.cs, dut.sck, dut.copi):
        pin.value = 0
    board = _Board(dut, stall=stall)
    await start(dut, [])
    return board


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.8])
@cocotb.parametrize(excess=[0.0, 0.13, 7.3])
async def transfers(dut: Any, stall: float, excess: float) -> None:
    """Bytes both ways, idle bytes in front, in the middle and behind, transfers cut in the middle of a byte."""
    board = await _board(dut, stall=stall)
    chance = board.chance
    period = bench_parameters()["cycles_a_bit"] + excess
    for _ in range(12):
        board.offer(bytes(chance.randrange(1, 256) for _ in range(chance.choice([0, 0, 1, 9]))))
        data = bytes(chance.choice([0, 0, chance.randrange(256)]) for _ in range(chance.randrange(9)))
        levels = _levels(bytes(chance.randrange(3)) + data)
        if chance.randrange(3) == 0:
            levels = levels[: chance.randrange(len(levels) + 1)]
        await board.transfer(levels, period=period, duty=chance.choice([0.5, 0.5, 0.42, 0.58]))
    await board.settle()
    assert board.errors == 0 and board.model.delivered


@cocotb.test()
async def answers_follow_each_other(dut: Any) -> None:
    """Bytes to send are not separated, within a transfer and over the end of one."""
    board = await _board(dut)
    board.offer(bytes(range(1, 40)))
    for count in (1, 7, 20, 11):
        await board.transfer(_levels(bytes(count)), period=bench_parameters()["cycles_a_bit"])
    await board.settle()
    assert not board.model.queue and board.model.delivered == b""


@cocotb.test()
async def lost(dut: Any) -> None:
    """A byte that nobody takes keeps its place; those that come meanwhile are lost, each with an error."""
    board = await _board(dut)
    board.sink.stall = 1.0
    await Timer(5 * _CYCLE_PS, "ps")
    await board.transfer(_levels(b"\x11\x22\x33"), period=6)
    assert board.errors == 2
    board.sink.stall = 0.0
    board.model.delivered = b"\x11"
    await board.settle()


@cocotb.test()
async def reset_in_a_transfer(dut: Any) -> None:
    """Nothing of the transfer is delivered after the reset, though its bytes are not idle ones; the next one is whole."""
    board = await _board(dut)
    transfer = cocotb.start_soon(board.transfer(_levels(bytes(7) + b"\xa5\x3c" * 6), period=6))
    # Behind an edge of the clock: with it, a netlist whose enable goes through a gate would see the end of the reset in part.
    await ClockCycles(dut.clk, 300)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    dut.copi.value = 1
    await transfer
    board.model.delivered = b""
    await board.settle()
    board.offer(b"\x81\x42")
    await board.transfer(_levels(b"\x4d\x00\xff"), period=6)
    await board.settle()
    assert board.model.delivered == b"\x4d\x00\xff"


@cocotb.test()
async def latency(dut: Any) -> None:
    """From the cycle in which the last rising edge is seen to the byte."""
    board = await _board(dut)
    board.sink.stall = 1.0
    dut.cs.value = 1
    for _ in range(6):
        await RisingEdge(dut.clk)
    for bit in range(8):
        dut.copi.value = 1
        dut.sck.value = 1
        await RisingEdge(dut.clk)  # seen at this edge
        cycles = 0
        if bit == 7:
            while not int(dut.o__valid.value):
                await RisingEdge(dut.clk)
                cycles += 1
            assert cycles == bench_parameters()["latency"]
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.sck.value = 0
        for _ in range(3):
            await RisingEdge(dut.clk)
