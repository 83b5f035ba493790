"""Bench of ``AxiStream``: cocotbext-axi as both ends of the streams, a host at the other port, a core that behaves like an engine
or refuses, and the golden model beside it."""

from __future__ import annotations

import logging
import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from ..golden.axi_stream import StreamModel
from ..simulator import bench_parameters
from .axi_lite import pauses
from .core_memory import serve
from .handshake import ChannelMonitor
from .stream import start

_INPUTS = (
    "i__tdata", "i__tvalid", "i__tlast", "o__tready", "host__request__valid", "host__request__payload",
    "host__response__ready", "core__request__ready", "core__response__valid", "core__response__payload",
)  # fmt: skip
_STATUS, _CONTROL, _FEATURES, _STREAM = 6, 4, 5 << 24, 6 << 24
_BUSY = 2
_TIME: dict[str, Any] = {"timeout_time": 200, "timeout_unit": "us"}
"""For a test: whoever waits for an answer that does not come waits no longer."""


class _Engine:
    """A core whose program makes each of the 64 words behind FEATURES + 64 of the word 64 before. It keeps a log of all but
    polls and reads of FEATURES + 1000.

    Attributes
    ----------
    refused : set of int
        Addresses that are answered with BUSY.
    state : int
        What STATUS shows once the program has ended; DONE without an error after reset.
    polls : int
        Reads of STATUS for which a program takes.
    """

    def __init__(self, polls: int = 0) -> None:
        self.words: dict[int, int] = {}
        self.log: list[tuple[str, int, int]] = []
        self.refused: set[int] = set()
        self.state = 2
        self.polls = polls
        self.running = 0

    def read(self, address: int) -> tuple[int, int]:
        """Status and word."""
        if address == _STATUS:
            self.running = max(0, self.running - 1)
            return 0, 1 if self.running else self.state
        if address != _FEATURES | 1000:
            self.log.append(("read", address, 0))
        return (_BUSY, 0) if address in self.refused else (0, self.words.get(address, address ^ 0x5A5A5A5A))

    def write(self, address: int, data: int) -> int:
        """Status."""
        self.log.append(("write", address, data))
        if address in self.refused:
            return _BUSY
        assert not self.running, "an access while the program runs"
        if address == _CONTROL:
            self.running = self.polls
            for place in range(_FEATURES, _FEATURES + 64):
                if place in self.words:
                    self.words[place + 64] = self.words[place] * 0x9E3779B1 & 0xFFFFFFFF
        else:
            self.words[address] = data
        return 0


class _Bench:
    def __init__(self, dut: Any, *, back: float = 0.0, front: float = 0.0, delay: int = 0, polls: int = 3) -> None:
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        seed = cocotb.RANDOM_SEED
        self.dut = dut
        self.chance = random.Random(f"{seed} packets")
        told = bench_parameters()
        places = [first + offset for kind in ("input", "output") for first in [told[f"{kind}_first"]] for offset in (0, told[f"{kind}_words"] - 1)]
        self.core, self.model_core = _Engine(polls), _Engine()
        self.model = StreamModel(self.model_core, places)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "i", bus_separator="__"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "o", bus_separator="__"), dut.clk, dut.rst)
        self.source.set_pause_generator(pauses(random.Random(f"{seed} source"), front))
        self.sink.set_pause_generator(pauses(random.Random(f"{seed} sink"), back))
        self.monitor = ChannelMonitor(dut, "o__tvalid", "o__tready", ("o__tdata", "o__tlast", "o__tuser"))
        cocotb.start_soon(serve(dut, self.core, random.Random(f"{seed} core"), delay))

    def words(self, difference: int = 0) -> list[int]:
        """A packet; ``difference`` words longer than it should be."""
        return [self.chance.getrandbits(32) for _ in range(self.model.places[1] - self.model.places[0] + 1 + difference)]

    async def packet(self, words: list[int]) -> tuple[int, ...]:
        """Send a packet, take the answer and compare it with the golden one; its last word."""
        await self.source.send(AxiStreamFrame(b"".join(word.to_bytes(4, "little") for word in words)))
        frame = await self.sink.recv(compact=False)
        data = bytes(frame.tdata)
        got = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        users = [int(user) for user in frame.tuser[::4]] if isinstance(frame.tuser, list) else [int(frame.tuser)]
        users *= len(got) if len(users) == 1 else 1
        wanted = self.model.answer(words)
        assert list(zip(got, users, strict=True)) == [(word, user) for word, _, user in wanted]
        assert [last for _, last, _ in wanted] == [0] * (len(wanted) - 1) + [1]
        assert self.core.log == self.model_core.log
        return got[-1], users[-1]

    async def host(self, address: int, data: int | None = None) -> tuple[int, int]:
        """One access of the host: status and word."""
        dut = self.dut
        dut.host__request__payload.value = address | (0 if data is None else 1 << 28 | data << 29)
        dut.host__request__valid.value = 1
        await RisingEdge(dut.clk)
        while not int(dut.host__request__ready.value):
            await RisingEdge(dut.clk)
        dut.host__request__valid.value = 0
        for _ in range(self.chance.randrange(3)):
            await RisingEdge(dut.clk)
        dut.host__response__ready.value = 1
        await RisingEdge(dut.clk)
        while not int(dut.host__response__valid.value):
            await RisingEdge(dut.clk)
        dut.host__response__ready.value = 0
        answer = int(dut.host__response__payload.value)
        return answer >> 32, answer & 0xFFFFFFFF

    async def state(self) -> int:
        """STREAM_STATUS."""
        status, word = await self.host(_STREAM | 4)
        assert status == 0
        return word


@cocotb.test(**_TIME)
@cocotb.parametrize(back=[0.0, 0.7], front=[0.0, 0.7], delay=[0, 2])
async def packets(dut: Any, back: float, front: float, delay: int) -> None:
    """Good packets, packets that end too early and too late, an engine that refuses and one that stops: one answer each."""
    await start(dut, _INPUTS)
    bench = _Bench(dut, back=back, front=front, delay=delay)
    outcomes = []
    for number in range(14):
        kind = number % 7
        for core in (bench.core, bench.model_core):
            core.state = {3: 0x2 | 0x200, 4: 0x4}.get(kind, 2)
            core.refused = {
                5: {_FEATURES | bench.model.places[0] + 2, _FEATURES | bench.model.places[2] + 1}, 6: {_CONTROL}
            }.get(kind, set())  # fmt: skip
        await bench.packet(bench.words({1: -2, 2: 3}.get(kind, 0)))
        state = await bench.state()
        assert state & 0x1FF == bench.model.outcome and state >> 16 == bench.model.packets
        outcomes.append(bench.model.outcome)
    assert outcomes == [0, 1, 2, 4, 4, 3, 3] * 2


@cocotb.test(**_TIME)
async def answer_refused(dut: Any) -> None:
    """An answer that the core refuses in the middle ends there, with tuser."""
    await start(dut, _INPUTS)
    bench = _Bench(dut)
    for core in (bench.core, bench.model_core):
        core.refused = {_FEATURES | bench.model.places[2] + 1}
    word, user = await bench.packet(bench.words())
    assert (word, user) == (3 | _BUSY << 8, 1)
    for core in (bench.core, bench.model_core):
        core.refused = set()
    assert (await bench.packet(bench.words()))[1] == 0


@cocotb.test(**_TIME)
async def single_words(dut: Any) -> None:
    """Maps of one word, somewhere else: the registers say where; a packet of one word may be the first and the last."""
    await start(dut, _INPUTS)
    bench = _Bench(dut)
    for number, value in enumerate((7, 7, 71, 71)):
        assert await bench.host(_STREAM | number, value) == (0, 0)
        assert await bench.host(_STREAM | number) == (0, value)
    bench.model.places = [7, 7, 71, 71]
    await bench.packet(bench.words())
    await bench.packet(bench.words(4))
    await bench.packet(bench.words())
    assert [item[:2] for item in bench.core.log[:3]] == [("write", _FEATURES | 7), ("write", 4), ("read", _FEATURES | 71)]


@cocotb.test(**_TIME)
async def host(dut: Any) -> None:
    """The host reaches core and registers while packets come and go, and what it may not do it is told."""
    await start(dut, _INPUTS)
    bench = _Bench(dut, back=0.5, front=0.5, delay=2, polls=9)
    assert await bench.host(_STREAM | 5) == (1, 0) and await bench.host(_STREAM | 1 << 20, 1) == (1, 0)
    assert await bench.host(_STREAM | 4, 1) == (3, 0)
    answers = []

    async def ask() -> None:
        while True:
            answers.append((await bench.host(_FEATURES | 1000), await bench.host(_STREAM | 0, 5), await bench.host(_STREAM)))

    asking = cocotb.start_soon(ask())
    await bench.packet(bench.words())
    asking.cancel()
    assert answers and {answer[0] for answer in answers} == {(0, _FEATURES | 1000 ^ 0x5A5A5A5A)}
    assert (_BUSY, 0) in [answer[1] for answer in answers]
    held = bench.model.places[0]
    for _, written, shown in answers:
        held = 5 if written == (0, 0) else held  # a write that is refused has no effect
        assert shown == (0, held)


@cocotb.test(**_TIME)
async def waits_for_the_host(dut: Any) -> None:
    """A packet is not written while a program of the host runs."""
    await start(dut, _INPUTS)
    bench = _Bench(dut, polls=20)
    assert await bench.host(_CONTROL, 1) == (0, 0)
    bench.model_core.write(_CONTROL, 1)
    await bench.packet(bench.words())


@cocotb.test(**_TIME)
async def periods(dut: Any) -> None:
    """Cycles from one word to the next: the stated ones and those of the core, which takes one here."""
    await start(dut, _INPUTS)
    bench = _Bench(dut)
    edges: dict[str, list[int]] = {"i": [], "o": []}

    async def count() -> None:
        cycle = 0
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            for name in edges:
                if int(getattr(dut, f"{name}__tvalid").value) and int(getattr(dut, f"{name}__tready").value):
                    edges[name].append(cycle)

    cocotb.start_soon(count())
    await bench.packet(bench.words())
    told = bench_parameters()
    for name, period in (("i", told["input_period"]), ("o", told["output_period"])):
        steps = {second - first for first, second in zip(edges[name], edges[name][1:], strict=False)}
        assert steps == {period + 1}, (name, steps)
