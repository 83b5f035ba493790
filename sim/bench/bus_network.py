"""Bench of an exported engine: a network is loaded and run through the bus as software would, and its outputs are the golden ones.

Parameters: ``bus``, ``prefix`` of the module's name, the file of ``network`` (.npz: addresses and words to write, input and
output words) and ``constants``, the export's table of names and numbers. ``memories``: memories on the bus of an engine that streams
weights, each with the fields of an AxiMemory and the ``cycles``, ``stalls`` and ``words`` read that are predicted with it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiBus,
    AxiLiteBus,
    AxiLiteMaster,
    AxiSlave,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)
from numpy.typing import NDArray

from ..cost.axi_memory import AxiMemory
from ..simulator import bench_parameters
from .axi_lite import pauses
from .axi_memory import AxiResponder
from .byte_memory import ByteMemory
from .wishbone_master import Phase, WishboneMaster

_BACK = 0.3
"""Probability that a side of the client holds back in a cycle."""

_POLLS = 3000

_SILENCE = 66_000
"""Cycles after which a silent memory has been given up."""


class _AxiClient:
    def __init__(self, dut: Any) -> None:
        self.dut, self.clk = dut, dut.aclk
        bus = AxiLiteBus.from_prefix(dut, "s_axi")
        self.master = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        write, read = self.master.write_if, self.master.read_if
        for number, channel in enumerate((write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)):
            channel.set_pause_generator(pauses(random.Random(f"{cocotb.RANDOM_SEED} {number}"), _BACK))

    async def write(self, address: int, words: NDArray[np.uint32]) -> None:
        answer = await self.master.write(address, words.astype("<u4").tobytes())
        assert answer.resp == 0, f"write from {address:#x} on: {answer.resp}"

    async def read(self, address: int, count: int) -> NDArray[np.uint32]:
        answer = await self.master.read(address, 4 * count)
        assert answer.resp == 0, f"read from {address:#x} on: {answer.resp}"
        return np.frombuffer(bytes(answer.data), "<u4").astype(np.uint32)

    async def refusals(self, constants: dict[str, int]) -> None:
        """What the bus must refuse, and how."""
        nowhere = constants["REGION_REGISTERS"] + 4 * 15
        assert (await self.master.read(nowhere, 4)).resp == 3, "a read of nothing is no DECERR"
        assert (await self.master.write(nowhere, bytes(4))).resp == 3, "a write of nothing is no DECERR"
        assert (await self.master.read(constants["REGION_PROGRAM"], 4)).resp == 2, "a read of the program is no SLVERR"
        assert (await self.master.write(constants["REGISTER_MAGIC"], bytes(4))).resp == 2, "a write of MAGIC is no SLVERR"
        assert (await self.master.write(constants["REGISTER_SCRATCH"], b"a")).resp == 2, "a write of a byte is no SLVERR"


class _WishboneClient:
    def __init__(self, dut: Any, *, pipelined: bool) -> None:
        self.dut, self.clk = dut, dut.wb_clk_i
        names = {name: f"wb_{name}_i" for name in ("clk", "cyc", "stb", "we", "adr", "sel")}
        names |= {name: f"wb_{name}_o" for name in ("ack", "err", "stall")} | {"dat_w": "wb_dat_i", "dat_r": "wb_dat_o"}
        self.master = WishboneMaster(dut, pipelined=pipelined, idle=_BACK, seed=cocotb.RANDOM_SEED, names=names)

    async def _cycle(self, phases: Sequence[Phase]) -> list[int]:
        answers = await self.master.cycle(phases)
        assert not any(err for err, _ in answers), f"err in a cycle of {phases[:3]}"
        return [word for _, word in answers]

    async def write(self, address: int, words: NDArray[np.uint32]) -> None:
        await self._cycle([Phase(address // 4 + index, int(word)) for index, word in enumerate(words)])

    async def read(self, address: int, count: int) -> NDArray[np.uint32]:
        return np.array(await self._cycle([Phase(address // 4 + index) for index in range(count)]), np.uint32)

    async def refusals(self, constants: dict[str, int]) -> None:
        """What the bus must refuse."""
        nowhere = constants["REGION_REGISTERS"] // 4 + 15
        phases = [
            Phase(nowhere), Phase(nowhere, 1),
            Phase(constants["REGION_PROGRAM"] // 4), Phase(constants["REGISTER_MAGIC"] // 4, 1),
            Phase(constants["REGISTER_SCRATCH"] // 4, 1, 2),
        ]  # fmt: skip
        assert [err for err, _ in await self.master.cycle(phases)] == [True] * len(phases)


async def _start(dut: Any) -> _AxiClient | _WishboneClient:
    """A client behind a reset of four cycles."""
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    bus = bench_parameters()["bus"]
    clock, reset, active = (dut.aclk, dut.aresetn, 0) if bus == "axi" else (dut.wb_clk_i, dut.wb_rst_i, 1)
    reset.value = active
    if bench_parameters()["streamed"]:
        for name in ("awready", "wready", "bvalid", "bid", "bresp", "arready", "rvalid", "rid", "rdata", "rresp", "rlast"):
            getattr(dut, f"m_axi_{name}").value = 0
    if bus == "axi":
        for name in ("s_axis_tvalid", "s_axis_tdata", "s_axis_tlast", "m_axis_tready"):
            getattr(dut, name).value = 0
    Clock(clock, 10, unit="ns").start()
    client = _AxiClient(dut) if bus == "axi" else _WishboneClient(dut, pipelined=bus == "wishbone-pipelined")
    for _ in range(4):
        await RisingEdge(clock)
    reset.value = 1 - active
    await RisingEdge(clock)
    return client


async def _load(client: _AxiClient | _WishboneClient, constants: dict[str, int], network: Any) -> None:
    for register in ("MAGIC", "FORMAT", "IDENTITY_LOW", "IDENTITY_HIGH"):
        (word,) = await client.read(constants[f"REGISTER_{register}"], 1)
        assert word == constants[register], register
    for region in ("TAPS", "WEIGHTS", "PROGRAM"):
        await client.write(constants[f"REGION_{region}"], network[region.lower()])


def _memory(dut: Any, constants: dict[str, int], network: Any) -> ByteMemory:
    """What the engine reads weights from, with pauses."""
    memory = ByteMemory(constants["MEMORY_BASE"], 4 * constants["MEMORY_WORDS"])
    stream = network["external"].astype("<u4").tobytes()
    memory.bytes[: len(stream)] = stream
    slave = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, reset_active_level=False, target=memory)
    for number, channel in enumerate((slave.read_if.ar_channel, slave.read_if.r_channel)):
        channel.set_pause_generator(pauses(random.Random(f"{cocotb.RANDOM_SEED} memory {number}"), _BACK))
    return memory


async def _run(client: _AxiClient | _WishboneClient, constants: dict[str, int]) -> int:
    """Start the program; STATUS once it has ended."""
    await client.write(constants["REGISTER_CONTROL"], np.array([constants["CONTROL_START"]], np.uint32))
    for _ in range(_POLLS + constants["CYCLES"]):
        (status,) = map(int, await client.read(constants["REGISTER_STATUS"], 1))
        if not status >> constants["STATUS_BUSY"] & 1:
            return status
    raise AssertionError("the program does not end")


@cocotb.test()
async def registers(dut: Any) -> None:
    """A network through the bus alone: load, write the input, start, poll, read the output; errors are errors."""
    client = await _start(dut)
    constants = bench_parameters()["constants"]
    with np.load(bench_parameters()["network"]) as network:
        if bench_parameters()["streamed"]:
            _memory(dut, constants, network)
        await _load(client, constants, network)
        await client.refusals(constants)
        for given, wanted in zip(network["inputs"], network["outputs"], strict=True):
            await client.write(constants["INPUT_ADDRESS"], given)
            status = await _run(client, constants)
            assert status >> constants["STATUS_DONE"] & 1 and not status >> constants["STATUS_ERROR"] & 0xFF, hex(status)
            (cycles,) = await client.read(constants["REGISTER_CYCLES"], 1)
            assert cycles == constants["CYCLES"] or bench_parameters()["streamed"]
            got = await client.read(constants["OUTPUT_ADDRESS"], constants["OUTPUT_WORDS"])
            mask = network["output_mask"]
            assert ((got ^ wanted) & mask == 0).all(), "outputs differ from the golden ones"


@cocotb.test(skip=not bench_parameters().get("streamed"))
async def memory_errors(dut: Any) -> None:
    """An error of the memory's bus ends the program with a status; when it is mended, the next run is right."""
    client = await _start(dut)
    constants = bench_parameters()["constants"]
    with np.load(bench_parameters()["network"]) as network:
        memory = _memory(dut, constants, network)
        await _load(client, constants, network)
        await client.write(constants["INPUT_ADDRESS"], network["inputs"][0])
        kept = memory.bytes
        memory.bytes = kept[: len(kept) // 2]
        status = await _run(client, constants)
        error = status >> constants["STATUS_ERROR"] & 0xFF
        assert error in [constants[f"ERROR_{name}"] for name in ("DAMAGED_WEIGHTS", "DAMAGED_MAP", "STARVED")] and int(dut.error.value), hex(status)
        memory.bytes = kept
        await client.write(constants["INPUT_ADDRESS"], network["inputs"][0])
        status = await _run(client, constants)
        assert status >> constants["STATUS_DONE"] & 1 and not status >> constants["STATUS_ERROR"] & 0xFF, hex(status)
        got = await client.read(constants["OUTPUT_ADDRESS"], constants["OUTPUT_WORDS"])
        assert ((got ^ network["outputs"][0]) & network["output_mask"] == 0).all()
        assert int(dut.error.value), "an error of the bus is forgotten"


_PACED = bool(bench_parameters().get("memories"))
_FAULTS = _PACED and bench_parameters()["faults"]


class _Paced:
    """An engine, loaded, and a memory whose cycles are known."""

    def __init__(self, dut: Any, client: _AxiClient | _WishboneClient, network: Any) -> None:
        self.dut, self.client = dut, client
        self.constants = bench_parameters()["constants"]
        self.inputs, self.outputs, self.mask = (network[name] for name in ("inputs", "outputs", "output_mask"))
        self.words = network["external"].tolist()
        self.words += [0] * (self.constants["MEMORY_WORDS"] - len(self.words))
        self.memory = AxiResponder(
            dut, "m_axi", dut.aclk, AxiMemory(**bench_parameters()["memories"][0]["timing"]), self.constants["MEMORY_BASE"], self.words
        )

    @classmethod
    async def start(cls, dut: Any) -> _Paced:
        client = await _start(dut)
        with np.load(bench_parameters()["network"]) as network:
            await _load(client, bench_parameters()["constants"], network)
            return cls(dut, client, network)

    async def get(self, register: str) -> int:
        (word,) = await self.client.read(self.constants[f"REGISTER_{register}"], 1)
        return int(word)

    async def ends(self, *errors: str) -> None:
        """A run that ends, in time, with one of the errors, or as it should where there is none."""
        await self.client.write(self.constants["INPUT_ADDRESS"], self.inputs[0])
        await self.client.write(self.constants["REGISTER_CONTROL"], np.array([self.constants["CONTROL_START"]], np.uint32))
        if int(self.dut.busy.value):
            await with_timeout(FallingEdge(self.dut.busy), 10 * (_SILENCE + 4 * self.constants["CYCLES"]), "ns")
        status = await self.get("STATUS")
        error = status >> self.constants["STATUS_ERROR"] & 0xFF
        assert not status >> self.constants["STATUS_BUSY"] & 1
        if errors:
            assert error in [self.constants[f"ERROR_{name}"] for name in errors], hex(status)
            assert not status >> self.constants["STATUS_DONE"] & 1 and int(self.dut.error.value)
        else:
            assert status >> self.constants["STATUS_DONE"] & 1 and not error, hex(status)
            got = await self.client.read(self.constants["OUTPUT_ADDRESS"], self.constants["OUTPUT_WORDS"])
            assert ((got ^ self.outputs[0]) & self.mask == 0).all(), "outputs differ from the golden ones"


@cocotb.test(skip=not _PACED)
async def memories(dut: Any) -> None:
    """Cycles, cycles of waiting and words are those that the cycle model says of each memory; addresses are those of the stream."""
    paced = await _Paced.start(dut)
    for memory in bench_parameters()["memories"]:
        paced.memory.timing = AxiMemory(**memory["timing"])
        await paced.ends()
        seen = [await paced.get(name) for name in ("CYCLES", "EXTERNAL_STALLS", "EXTERNAL_WORDS")]
        assert seen == [memory["cycles"], memory["stalls"], memory["words"]], f"{memory}: {seen}"
    assert not paced.memory.misplaced and not paced.memory.outside and not int(dut.error.value)


@cocotb.test(skip=not _FAULTS)
async def errors_of_the_bus(dut: Any) -> None:
    """SLVERR and DECERR with any word, and a stream that is longer than the memory: a status, and the next run is right."""
    paced = await _Paced.start(dut)
    late = paced.constants["MEMORY_WORDS"] // 2
    for code in (2, 3):
        for place, errors in ((0, ("FOREIGN_WEIGHTS",)), (late, ("DAMAGED_WEIGHTS", "STARVED"))):
            paced.memory.errors = {place: code}
            await paced.ends(*errors)
    paced.memory.errors = {}
    paced.memory.words = paced.words[:late]
    await paced.ends("DAMAGED_WEIGHTS", "STARVED")
    assert paced.memory.outside
    paced.memory.words = [0xFFFFFFFF] * len(paced.words)
    await paced.ends("FOREIGN_WEIGHTS")
    paced.memory.words = paced.words
    await paced.ends()
    assert int(dut.error.value), "an error of the bus is forgotten"


@cocotb.test(skip=not _FAULTS)
async def silence(dut: Any) -> None:
    """A memory that does not take an address or does not answer: a status, again in the next run; answers that come late are dropped,
    between two runs or in the next one, which is right."""
    paced = await _Paced.start(dut)
    for fault in ("deaf", "mute"):
        for restarted in (False, True):
            setattr(paced.memory, fault, True)
            await paced.ends("SILENT_MEMORY")
            if restarted:
                await paced.ends("SILENT_MEMORY")
            setattr(paced.memory, fault, False)
            if restarted:
                for _ in range(500):
                    await RisingEdge(dut.aclk)
            status = await paced.get("STATUS")
            assert status >> paced.constants["STATUS_ERROR"] & 0xFF == paced.constants["ERROR_SILENT_MEMORY"]
            await paced.ends()


@cocotb.test(skip=bench_parameters().get("bus") != "axi" or bench_parameters().get("streamed"))
async def streams(dut: Any) -> None:
    """The same network through the streams, with packets that are too short and too long in between."""
    client = await _start(dut)
    assert isinstance(client, _AxiClient)
    constants = bench_parameters()["constants"]
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, reset_active_level=False)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, reset_active_level=False)
    for number, end in enumerate((source, sink)):
        end.set_pause_generator(pauses(random.Random(f"{cocotb.RANDOM_SEED} stream {number}"), _BACK))
    with np.load(bench_parameters()["network"]) as network:
        await _load(client, constants, network)
        for given, wanted in zip(network["inputs"], network["outputs"], strict=True):
            for difference, outcome in ((-1, "EARLY_LAST"), (2, "LATE_LAST"), (0, "")):
                words = np.resize(given, len(given) + difference)
                await source.send(AxiStreamFrame(words.astype("<u4").tobytes()))
                frame = await sink.recv()
                got = np.frombuffer(bytes(frame.tdata), "<u4").astype(np.uint32)
                refused = int(frame.tuser[-1] if isinstance(frame.tuser, list) else frame.tuser)
                (state,) = map(int, await client.read(constants["REGISTER_STREAM_STATUS"], 1))
                if outcome:
                    assert refused and list(got) == [constants[f"OUTCOME_{outcome}"]]
                    assert state & 0xFF == constants[f"OUTCOME_{outcome}"]
                else:
                    assert not refused and state & 0xFF == 0 and len(got) == constants["OUTPUT_WORDS"]
                    assert ((got ^ wanted) & network["output_mask"] == 0).all(), "outputs differ from the golden ones"
