"""Bench of ``AxiLite``: cocotbext-axi as the client, a core with random delays and errors behind it, the golden model beside it."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from cocotbext.axi.axil_channels import (
    AxiLiteARSource,
    AxiLiteARTransaction,
    AxiLiteAWSource,
    AxiLiteAWTransaction,
    AxiLiteBSink,
    AxiLiteRSink,
    AxiLiteWSource,
    AxiLiteWTransaction,
)

from ..golden.axi_lite import AxiLiteModel
from ..simulator import bench_parameters
from .core_memory import CoreMemory, serve
from .handshake import ChannelMonitor, follow
from .stream import start

_INPUTS = (
    "bus__awaddr", "bus__awprot", "bus__awvalid", "bus__wdata", "bus__wstrb", "bus__wvalid", "bus__bready", "bus__araddr",
    "bus__arprot", "bus__arvalid", "bus__rready", "core__request__ready", "core__response__valid", "core__response__payload",
)  # fmt: skip


def pauses(chance: random.Random, probability: float) -> Iterator[bool]:
    """For the pause generators of cocotbext-axi: whether a side holds back in a cycle."""
    while True:
        yield chance.random() < probability


class Watch:
    """Monitors of the five channels: payloads stay, and each request has exactly one answer."""

    def __init__(self, dut: Any, bus: str) -> None:
        def channel(letters: str, *payload: str) -> ChannelMonitor:
            return ChannelMonitor(dut, f"{bus}{letters}valid", f"{bus}{letters}ready", tuple(bus + name for name in payload))

        self.aw, self.w = channel("aw", "awaddr"), channel("w", "wdata", "wstrb")
        self.b, self.r = channel("b", "bresp"), channel("r", "rdata", "rresp")
        self.ar = channel("ar", "araddr")
        cocotb.start_soon(follow(dut.clk, (self.aw, self.w), self.b))
        cocotb.start_soon(follow(dut.clk, (self.ar,), self.r))

    def counts(self) -> tuple[int, int, int, int, int]:
        """Transfers of aw, w, b, ar, r."""
        return tuple(m.transfers for m in (self.aw, self.w, self.b, self.ar, self.r))  # type: ignore[return-value]


class _Bench:
    def __init__(self, dut: Any, *, delay: int = 2) -> None:
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        seed = cocotb.RANDOM_SEED
        self.dut = dut
        self.chance = random.Random(f"{seed} accesses")
        self.offset_bits = bench_parameters()["offset_bits"]
        self.core, self.model_core = CoreMemory(), CoreMemory()
        self.model = AxiLiteModel(self.model_core, self.offset_bits)
        cocotb.start_soon(serve(dut, self.core, random.Random(f"{seed} core"), delay))
        self.watch = Watch(dut, "bus__")

    def address(self, *, odd: bool = False) -> int:
        """A byte address: few words, so that they meet again, and words that the core refuses; the top bit tells reads."""
        word = self.chance.choice([self.chance.randrange(8), 0x3F, 0x7F, 0xBF, 0xFF])
        region = self.chance.randrange(8)
        return ((region << self.offset_bits | word) << 2) + (self.chance.randrange(4) if odd else 0)


@cocotb.test()
@cocotb.parametrize(back=[0.0, 0.5, 0.9], front=[0.0, 0.7])
async def channels(dut: Any, back: float, front: float) -> None:
    """Random writes and reads at once, strobes and addresses of all kinds; address and data in any order."""
    await start(dut, _INPUTS)
    bench = _Bench(dut)
    bus = AxiLiteBus.from_prefix(dut, "bus", bus_separator="__")
    aw, w = AxiLiteAWSource(bus.write.aw, dut.clk, dut.rst), AxiLiteWSource(bus.write.w, dut.clk, dut.rst)
    b, r = AxiLiteBSink(bus.write.b, dut.clk, dut.rst), AxiLiteRSink(bus.read.r, dut.clk, dut.rst)
    ar = AxiLiteARSource(bus.read.ar, dut.clk, dut.rst)
    for number, (channel, probability) in enumerate(((aw, front), (w, front), (ar, front), (b, back), (r, back))):
        channel.set_pause_generator(pauses(random.Random(f"{cocotb.RANDOM_SEED} {number}"), probability))
    writes, reads = [], []
    read_side = 8 << bench.offset_bits + 2
    for _ in range(120):
        address, data = bench.address(odd=bench.chance.random() < 0.2), bench.chance.getrandbits(32)
        strobe = bench.chance.choice([15, 15, 15, 15, 0, bench.chance.randrange(16)])
        writes.append((address, bench.model.write(address, data, strobe)))
        aw.send_nowait(AxiLiteAWTransaction(awaddr=address, awprot=bench.chance.randrange(8)))
        w.send_nowait(AxiLiteWTransaction(wdata=data, wstrb=strobe))
        address = read_side + bench.address(odd=bench.chance.random() < 0.2)
        reads.append((address, *bench.model.read(address)))
        ar.send_nowait(AxiLiteARTransaction(araddr=address, arprot=bench.chance.randrange(8)))
    for address, response in writes:
        got = int((await b.recv()).bresp)
        assert got == response, f"write to {address:#x}: {got} for {response}"
    for address, response, word in reads:
        answer = await r.recv()
        assert (int(answer.rresp), int(answer.rdata)) == (response, word), f"read of {address:#x}: {answer}"
    assert {response for _, response in writes} == {response for _, response, _ in reads} == {0, 2, 3}
    for _ in range(50):
        await RisingEdge(dut.clk)
    assert bench.watch.counts() == (120,) * 5 and b.empty() and r.empty()
    for kind in ("read", "write"):
        assert [item for item in bench.core.log if item[0] == kind] == [item for item in bench.model_core.log if item[0] == kind]


@cocotb.test()
async def master(dut: Any) -> None:
    """The client's own master, bytes of any length at word addresses: what was written is read."""
    await start(dut, _INPUTS)
    bench = _Bench(dut)
    client = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "bus", bus_separator="__"), dut.clk, dut.rst)
    first = 5 << bench.offset_bits + 2
    data = bench.chance.randbytes(4 * 60)
    assert (await client.write(first, data)).resp == 0
    answer = await client.read(first, len(data))
    assert answer.resp == 0 and bytes(answer.data) == data
    assert (await client.write(first + 1, b"x")).resp == 2, "a byte was written"
    assert (await client.read(first + 4 * 0x3F, 4)).resp in (2, 3), "a refused read was answered with OKAY"


@cocotb.test()
async def turns(dut: Any) -> None:
    """Neither reads nor writes wait for more than one access of the other kind."""
    await start(dut, _INPUTS)
    bench = _Bench(dut, delay=0)
    client = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "bus", bus_separator="__"), dut.clk, dut.rst)
    write, read = client.init_write(0, bytes(40)), client.init_read(1 << bench.offset_bits + 2, 40)
    await write.wait()
    await read.wait()
    kinds = [kind for kind, _, _ in bench.core.log]
    assert len(kinds) == 20
    assert all(kinds[i] != kinds[i + 1] for i in range(1, 17)), kinds


@cocotb.test()
@cocotb.parametrize(write=[0, 1])
async def latency(dut: Any, write: int) -> None:
    """From a valid request to a valid answer: the stated cycles and those of the core, which takes one here."""
    await start(dut, _INPUTS)
    _Bench(dut, delay=0)
    for _ in range(3):
        await RisingEdge(dut.clk)
    for name in ("awvalid", "wvalid", "bready") if write else ("arvalid", "rready"):
        getattr(dut, f"bus__{name}").value = 1
    dut.bus__wstrb.value = 15
    ready, valid = (dut.bus__awready, dut.bus__bvalid) if write else (dut.bus__arready, dut.bus__rvalid)
    cycles = 0
    await RisingEdge(dut.clk)  # the first edge at which the request is valid
    while not int(valid.value):
        if int(ready.value):
            for name in ("awvalid", "wvalid", "arvalid"):
                getattr(dut, f"bus__{name}").value = 0
        await RisingEdge(dut.clk)
        cycles += 1
    assert cycles == bench_parameters()["latency"] + 1
