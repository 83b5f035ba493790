"""Bench of ``Wishbone``: random cycles of reads and writes, a core with random delays and errors, the golden model beside it."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..golden.wishbone import WishboneModel
from ..simulator import bench_parameters
from .core_memory import CoreMemory, serve
from .stream import start
from .wishbone_master import Phase, WishboneMaster

_INPUTS = ("core__request__ready", "core__response__valid", "core__response__payload")


class _Bench:
    def __init__(self, dut: Any, *, idle: float, delay: int) -> None:
        seed = cocotb.RANDOM_SEED
        self.dut = dut
        self.chance = random.Random(f"{seed} phases")
        self.offset_bits = bench_parameters()["offset_bits"]
        self.master = WishboneMaster(dut, pipelined=bench_parameters()["pipelined"], idle=idle, seed=seed)
        self.core, self.model_core = CoreMemory(), CoreMemory()
        self.model = WishboneModel(self.model_core, self.offset_bits)
        cocotb.start_soon(serve(dut, self.core, random.Random(f"{seed} core"), delay))

    def phase(self) -> Phase:
        """Few words, so that they meet again, and words that the core refuses."""
        chance = self.chance
        word = chance.choice([chance.randrange(8), chance.randrange(8), 0x3F, 0x7F, 0xBF, 0xFF])
        address = chance.randrange(16) << self.offset_bits | word
        select = chance.choice([15, 15, 15, 15, 0, chance.randrange(16)])
        return Phase(address, chance.getrandbits(32) if chance.randrange(2) else None, select)

    def expected(self, phase: Phase) -> tuple[bool, int]:
        """How a phase ends, and what it reads."""
        if phase.data is None:
            return self.model.read(phase.address)
        return self.model.write(phase.address, phase.data, phase.select), 0


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6], delay=[0, 3])
async def cycles(dut: Any, idle: float, delay: int) -> None:
    """Each phase has exactly one end, the golden one, and does what the golden one does."""
    bench = _Bench(dut, idle=idle, delay=delay)
    await start(dut, _INPUTS)
    kinds, count = set(), 0
    for _ in range(40):
        phases = [bench.phase() for _ in range(bench.chance.randrange(1, 7))]
        wanted = [bench.expected(phase) for phase in phases]
        got = await bench.master.cycle(phases)
        count += len(phases)
        for phase, (err, word), (got_err, got_word) in zip(phases, wanted, got, strict=True):
            assert got_err == err, phase
            assert phase.data is not None or got_word == word, phase
            kinds.add((phase.data is None, err))
    assert len(kinds) == 4, kinds
    for _ in range(40):
        await RisingEdge(dut.clk)
    assert len(bench.master.answers) == count
    assert bench.core.log == bench.model_core.log


@cocotb.test()
async def given_up(dut: Any) -> None:
    """A cycle that is ended early gets no answer, and the next one only its own."""
    bench = _Bench(dut, idle=0.0, delay=3)
    await start(dut, _INPUTS)
    unanswered = 0
    for number in range(60):
        before = len(bench.master.answers)
        await bench.master.give_up(Phase(0x3F), number % 12 + 1)
        unanswered += len(bench.master.answers) == before
        word = bench.chance.getrandbits(32)
        answers = await bench.master.cycle([Phase(number, word), Phase(number)])
        assert answers == [(False, 0), (False, word)]
    assert 0 < unanswered < 60


@cocotb.test()
async def latency(dut: Any) -> None:
    """From ``stb`` to ``ack``: the stated cycles and those of the core, which takes one here."""
    bench = _Bench(dut, idle=0.0, delay=0)
    await start(dut, _INPUTS)
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.bus__cyc.value, dut.bus__stb.value = 1, 1
    await RisingEdge(dut.clk)  # the first edge with the request
    count = 0
    while not int(dut.bus__ack.value):
        if bench.master.pipelined:
            dut.bus__stb.value = 0
        await RisingEdge(dut.clk)
        count += 1
    assert count == bench_parameters()["latency"] + 1
