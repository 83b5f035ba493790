"""Bench of ``SdramController`` with the SDRAM model behind it: random traffic, and every cycle of reads as predicted."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from ...hw.external.memory_port import ADDRESS_BITS, MOST_WORDS
from ...hw.external.sdram_timing import SdramCycles
from ..cost.external_memory import Sdram
from ..golden.sdram_controller import MemoryModel
from ..simulator import bench_parameters


class _Memory:
    """Ports of controller and memory; counts cycles."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        told = bench_parameters()
        self.cycles = SdramCycles(**told["cycles"])
        self.pin_delay = int(told["pin_delay"])
        self.chance = random.Random(f"{cocotb.RANDOM_SEED}")
        self.now = 0
        self.read: list[tuple[int, int]] = []
        self.to_write: list[int] = []

    async def reset(self) -> None:
        """Until the memory is initialized."""
        dut = self.dut
        for name in ("command__valid", "command__payload", "write__valid", "write__payload", "restart"):
            getattr(dut, f"port__{name}").value = 0
        dut.port__read__ready.value = 1
        Clock(dut.clk, 10, unit="ns").start()
        if int(dut.port__ready.value):
            return  # of the test before; a reset would leave the memory without refreshes for the pause
        dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        while not int(dut.port__ready.value):
            await RisingEdge(dut.clk)

    async def tick(self) -> bool:
        """One cycle; whether the command was taken in it."""
        dut = self.dut
        dut.port__write__valid.value = int(bool(self.to_write))
        dut.port__write__payload.value = self.to_write[0] if self.to_write else 0
        await RisingEdge(dut.clk)
        if self.to_write and int(dut.port__write__ready.value):
            self.to_write.pop(0)
        if int(dut.port__read__valid.value):
            self.read.append((self.now, int(dut.port__read__payload.value)))
        taken = bool(int(dut.port__command__valid.value) and int(dut.port__command__ready.value))
        assert int(dut.violation.value) == 0, f"rule {int(dut.violation.value)} broken in cycle {self.now}"
        self.now += 1
        return taken

    async def command(self, address: int, words: int, write: bool) -> int:
        """One command; the cycle in which it was taken."""
        dut = self.dut
        bits = (MOST_WORDS - 1).bit_length()
        dut.port__command__payload.value = address | words - 1 << ADDRESS_BITS | int(write) << ADDRESS_BITS + bits
        dut.port__command__valid.value = 1
        while not await self.tick():
            pass
        dut.port__command__valid.value = 0
        return self.now - 1


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    """What was written is read, whatever rows and refreshes lie between; no rule of the memory is broken."""
    memory = _Memory(dut)
    await memory.reset()
    chance, golden = memory.chance, MemoryModel(memory.cycles.words)
    places = [chance.randrange(memory.cycles.words // MOST_WORDS) * MOST_WORDS for _ in range(6)]
    places += [places[0] ^ memory.cycles.row_words, places[0] ^ memory.cycles.row_words << memory.cycles.bank_bits]
    expected: list[int] = []
    for _ in range(500):
        place = chance.choice(places) + chance.choice((0, chance.randrange(MOST_WORDS)))
        words = chance.choice((1, 1, 8, chance.randint(1, MOST_WORDS)))
        words = min(words, MOST_WORDS - place % MOST_WORDS)
        write = not golden.known(place, words) or chance.random() < 0.3
        if write:
            values = [chance.getrandbits(32) for _ in range(words)]
            memory.to_write += values
            golden.write(place, values)
        else:
            expected += golden.read(place, words)
        await memory.command(place, words, write)
        for _ in range(chance.choice((0, 0, 0, 3, 40))):
            await memory.tick()
    for _ in range(300):
        await memory.tick()
    assert [value for _, value in memory.read] == expected
    assert memory.now > 10 * memory.cycles.interval


@cocotb.test()
async def cycles_of_reads(dut: Any) -> None:
    """After a restart, each command is taken and each word comes in the cycle that the cycle model says."""
    memory = _Memory(dut)
    await memory.reset()
    chance = memory.chance
    times = memory.cycles
    for _ in range(12):
        # Leave the memory in any state: a row open or not, a refresh under way or not.
        for _ in range(chance.randrange(3)):
            memory.to_write.append(0)
            await memory.command(chance.randrange(times.words), 1, True)
            while memory.to_write:
                await memory.tick()
        for _ in range(chance.randrange(times.interval)):
            await memory.tick()
        dut.port__restart.value = 1
        restart = memory.now
        await memory.tick()
        dut.port__restart.value = 0
        model = Sdram(cycles=times, pin_delay=memory.pin_delay).restart(restart)
        memory.read.clear()
        address = chance.randrange(times.words // MOST_WORDS) * MOST_WORDS
        predicted: list[int] = []
        for _ in range(chance.choice((4, 60, 150))):
            words = chance.choice((8, 8, 1, 2, MOST_WORDS))
            address = -(-address // words) * words if chance.random() < 0.9 else chance.randrange(times.words // MOST_WORDS) * MOST_WORDS
            asked = memory.now
            taken = await memory.command(address % times.words, words, False)
            burst = model.burst(asked, address, words)
            assert burst.taken == taken
            predicted += [burst.first + burst.step * index for index in range(words)]
            address += words
            for _ in range(chance.choice((0, 0, 0, 0, 5, 100, 700))):
                await memory.tick()
        for _ in range(500):
            await memory.tick()
        found = [cycle for cycle, _ in memory.read]
        wrong = [(a - restart, b - restart) for a, b in zip(found, predicted, strict=True) if a != b]
        assert not wrong, f"words came and should have come in these cycles after the restart: {wrong[:9]}"
