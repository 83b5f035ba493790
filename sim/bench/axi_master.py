"""Bench of ``AxiMaster``: cocotbext-axi's slave with a memory that has holes, random back-pressure, random bursts."""

from __future__ import annotations

import logging
import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiSlave

from ..simulator import bench_parameters
from .axi_lite import pauses
from .byte_memory import ByteMemory
from .handshake import ChannelMonitor
from .stream import start

_INPUTS = (
    "port__command__valid", "port__command__payload", "port__write__valid", "port__write__payload", "port__read__ready",
    "port__restart", "bus__awready", "bus__wready", "bus__bid", "bus__bresp", "bus__bvalid", "bus__arready", "bus__rid",
    "bus__rdata", "bus__rresp", "bus__rlast", "bus__rvalid",
)  # fmt: skip
_HOLE = 0x8000
"""Byte address within the window from which on the memory answers with an error."""


class _Bench:
    def __init__(self, dut: Any, pause: float) -> None:
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        self.dut, self.chance = dut, random.Random(f"{cocotb.RANDOM_SEED} bursts")
        self.memory = ByteMemory(bench_parameters()["base"], _HOLE)
        bus = AxiBus.from_prefix(dut, "bus", bus_separator="__")
        slave = AxiSlave(bus, dut.clk, dut.rst, target=self.memory)
        write, read = slave.write_if, slave.read_if
        for number, channel in enumerate((write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)):
            channel.set_pause_generator(pauses(random.Random(f"{cocotb.RANDOM_SEED} {number}"), pause))
        channels = {"aw": ("addr", "len", "burst", "size"), "ar": ("addr", "len", "burst", "size"), "w": ("data", "strb", "last")}
        self.monitors = {
            name: ChannelMonitor(dut, f"bus__{name}valid", f"bus__{name}ready", tuple(f"bus__{name}{part}" for part in parts))
            for name, parts in channels.items()
        }
        self.read_words: list[int] = []
        self.most_open = 0
        cocotb.start_soon(self._listen())

    async def _listen(self) -> None:
        dut, open_bursts = self.dut, 0
        while True:
            await RisingEdge(dut.clk)
            if int(dut.port__read__valid.value):
                self.read_words.append(int(dut.port__read__payload.value))
            if int(dut.bus__arvalid.value) and int(dut.bus__arready.value):
                first, words = int(dut.bus__araddr.value), int(dut.bus__arlen.value) + 1
                assert first // 256 == (first + 4 * words - 1) // 256, "a burst crosses 256 bytes"
                open_bursts += 1
            if int(dut.bus__rvalid.value) and int(dut.bus__rlast.value):
                open_bursts -= 1
            self.most_open = max(self.most_open, open_bursts)

    async def _command(self, address: int, words: int, write: int) -> None:
        dut = self.dut
        dut.port__command__payload.value = address | words - 1 << 24 | write << 30
        dut.port__command__valid.value = 1
        await RisingEdge(dut.clk)
        while not int(dut.port__command__ready.value):
            await RisingEdge(dut.clk)
        dut.port__command__valid.value = 0

    async def write(self, address: int, words: list[int]) -> None:
        """One burst; its words come with gaps."""
        dut = self.dut

        async def feed() -> None:
            for word in words:
                while self.chance.random() < 0.3:
                    await RisingEdge(dut.clk)
                dut.port__write__payload.value, dut.port__write__valid.value = word, 1
                await RisingEdge(dut.clk)
                while not int(dut.port__write__ready.value):
                    await RisingEdge(dut.clk)
                dut.port__write__valid.value = 0

        feeding = cocotb.start_soon(feed())
        await self._command(address, len(words), 1)
        assert feeding.done(), "a burst was answered before its last word"

    async def read(self, address: int, words: int) -> None:
        """One burst, whose words come later."""
        await self._command(address, words, 0)

    def place(self) -> tuple[int, int]:
        """First word and words of a burst within 64 words."""
        first = self.chance.randrange(64)
        return self.chance.randrange(_HOLE // 256) * 64 + first, self.chance.randrange(1, 65 - first)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.6])
async def bursts(dut: Any, pause: float) -> None:
    """What was written is read, in order; reads overlap, and a write waits for them."""
    await start(dut, _INPUTS)
    bench = _Bench(dut, pause)
    known: dict[int, int] = {}
    wanted: list[int] = []
    for _ in range(60):
        address, words = bench.place()
        if bench.chance.random() < 0.4:
            values = [bench.chance.getrandbits(32) for _ in range(words)]
            known |= dict(zip(range(address, address + words), values, strict=True))
            await bench.write(address, values)
        else:
            wanted += [known.get(place, 0) for place in range(address, address + words)]
            await bench.read(address, words)
    for _ in range(20_000):
        if len(bench.read_words) >= len(wanted):
            break
        await RisingEdge(dut.clk)
    for _ in range(20):
        await RisingEdge(dut.clk)
    assert bench.read_words == wanted
    assert 1 < bench.most_open <= bench_parameters()["outstanding"]
    assert not int(dut.error.value) and int(dut.port__ready.value)


@cocotb.test()
@cocotb.parametrize(write=[0, 1])
async def errors(dut: Any, write: int) -> None:
    """An error of the bus is remembered, and the bursts after it are done."""
    await start(dut, _INPUTS)
    bench = _Bench(dut, 0.3)
    await bench.write(0, [1, 2, 3])
    assert not int(dut.error.value)
    if write:
        await bench.write(_HOLE // 4, [5])
    else:
        await bench.read(_HOLE // 4 + 3, 2)
    await bench.write(1, [7])
    assert bench.read_words == ([] if write else [0xFFFFFFFF] * 2)
    assert int(dut.error.value)
    bench.read_words.clear()
    await bench.read(0, 3)
    for _ in range(200):
        await RisingEdge(dut.clk)
    assert bench.read_words == [1, 7, 3]
