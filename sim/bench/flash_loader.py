"""Bench of ``FlashReader`` and ``FlashLoader``: a flash at the pins, a core behind the bridge, the golden models beside."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, Timer

from ..golden.flash_loader import DAMAGED, LOADED, NO_IMAGE, OTHER_ENGINE, load
from ..golden.frame_bridge import FrameBridgeModel
from ..golden.spi_flash import SpiFlashModel
from ..simulator import bench_parameters
from .core_memory import CoreMemory, serve
from .stream import start

_HEADER, _PATIENCE = 12, 2048


async def _flash(dut: Any, model: SpiFlashModel, delay: int) -> None:
    """The pins of the flash; its output changes ``delay`` cycles and 7 of the 10 ns of a cycle late. While the clock is high it is
    wrong: a bit is to be taken before the rising edge."""
    levels = [1] * (delay + 1)
    while True:
        await RisingEdge(dut.clk)
        await Timer(1, "ns")
        clock = bool(dut.flash_sck.value)
        levels = [*levels[1:], model.cycle(bool(dut.flash_cs.value), clock, bool(dut.flash_copi.value))]
        await Timer(6, "ns")
        dut.flash_cipo.value = levels[0] ^ clock


class SoundMemory(CoreMemory):
    """A core without faults."""

    @staticmethod
    def fault(address: int) -> int:
        return 0


class _Run:
    """One start of the loader."""

    def __init__(self, contents: bytes, *, asleep: bool = True) -> None:
        parameters = bench_parameters()
        self.address, self.identity = parameters["address"], parameters["identity"]
        self.half = parameters["half_cycles"]
        image = contents[self.address :]
        self.longest = 18 * self.half * (len(image) + 3 * _PATIENCE)
        self.core, model_core = SoundMemory(), SoundMemory()
        self.expected = load(image, self.identity, FrameBridgeModel(128, model_core))
        self.model_core = model_core
        self.flash = SpiFlashModel(contents, 1 << 17, asleep=asleep, wake=parameters["wake_cycles"] - 3)

    async def finish(self, dut: Any) -> int:
        """Reset, and run until the status stands; checks it against the golden model."""
        dut.flash_cipo.value = 1
        tasks = [cocotb.start_soon(_flash(dut, self.flash, self.half - 1))]
        tasks.append(cocotb.start_soon(serve(dut, self.core, random.Random(cocotb.RANDOM_SEED), 2)))
        await start(dut, [])
        cycles = 0
        while not int(dut.status.value):
            await RisingEdge(dut.clk)
            cycles += 1
            assert cycles < self.longest, "the loader does not end"
        for _ in range(4_000):  # what was read ahead
            await RisingEdge(dut.clk)
        assert not int(dut.flash_cs.value), "the flash is still selected"
        status = int(dut.status.value)
        for task in tasks:
            task.cancel()
        assert status == self.expected, f"status {status}, the golden model says {self.expected}"
        if status in (LOADED, NO_IMAGE, OTHER_ENGINE):
            assert self.core.log == self.model_core.log
        return cycles


def _contents() -> bytes:
    return Path(bench_parameters()["contents"]).read_bytes()


def _flipped(contents: bytes, at: int, bit: int) -> bytes:
    return contents[:at] + bytes([contents[at] ^ 1 << bit]) + contents[at + 1 :]


@cocotb.test()
async def loads(dut: Any) -> None:
    """A whole image: every word arrives, in order, once; at the rate that the reader states."""
    run = _Run(_contents())
    cycles = await run.finish(dut)
    assert run.expected == LOADED
    assert len(run.core.log) == bench_parameters()["words"]
    lead = 40 * 2 * run.half + bench_parameters()["wake_cycles"]
    rate = (cycles - lead) / run.flash.bytes_read
    assert 16 * run.half * 0.99 < rate < 16 * run.half * 1.1, f"{rate} cycles a byte"


@cocotb.test()
@cocotb.parametrize(place=["magic", "identity"])
async def foreign(dut: Any, place: str) -> None:
    """Another header: nothing reaches the bridge."""
    address = bench_parameters()["address"]
    chance = random.Random(cocotb.RANDOM_SEED)
    at = address + (chance.randrange(4) if place == "magic" else 4 + chance.randrange(8))
    run = _Run(_flipped(_contents(), at, chance.randrange(8)))
    await run.finish(dut)
    assert run.expected == (NO_IMAGE if place == "magic" else OTHER_ENGINE) and run.core.log == []


@cocotb.test()
async def erased(dut: Any) -> None:
    """No image."""
    run = _Run(b"")
    await run.finish(dut)
    assert run.expected == NO_IMAGE


@cocotb.test()
@cocotb.parametrize(part=["first", "any", "ping", "last"])
async def flipped_bit(dut: Any, part: str) -> None:
    """Any wrong bit in a request: DAMAGED, and the word that makes the program runnable is not written, unless everything
    else was."""
    parameters = bench_parameters()
    chance = random.Random(f"{cocotb.RANDOM_SEED} {part}")
    first, ping, last, end = parameters["requests"]
    low, high = {"first": (first, first + 14), "ping": (ping, ping + 14), "last": (last, end)}.get(part, (first, ping))
    for asleep in (True, False) if part == "any" else (True,):
        place = parameters["address"] + chance.randrange(low, high)
        run = _Run(_flipped(_contents(), place, chance.randrange(8)), asleep=asleep)
        await run.finish(dut)
        assert run.expected == DAMAGED
        written = [address for _, address, _ in run.core.log]
        whole = len(written) >= parameters["words"] - parameters["last_words"]
        assert parameters["program"] not in written or (part == "ping" and whole)


@cocotb.test()
async def cut(dut: Any) -> None:
    """An image that was not written to its end."""
    parameters = bench_parameters()
    contents = _contents()
    run = _Run(contents[: parameters["address"] + int(parameters["requests"][1] * 0.4)])
    await run.finish(dut)
    assert run.expected == DAMAGED and parameters["program"] not in [address for _, address, _ in run.core.log]


@cocotb.test()
async def silent(dut: Any) -> None:
    """A header with nothing behind it: the bridge has nothing to answer, and is given up after so many bytes."""
    run = _Run(_contents()[: bench_parameters()["address"] + _HEADER])
    await run.finish(dut)
    assert run.expected == DAMAGED and run.core.log == []
    assert _HEADER + _PATIENCE <= run.flash.bytes_read <= _HEADER + _PATIENCE + 3
