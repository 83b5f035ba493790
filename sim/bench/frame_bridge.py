"""Bench of ``FrameBridge``: a core with random delays and errors behind it, the golden model beside it."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ...hw.bus.frame import ANSWER_MAGIC, REQUEST_HEADER, REQUEST_MAGIC, FrameStatus, Operation
from ..golden.crc32 import crc32
from ..golden.frame_bridge import FrameBridgeModel
from ..simulator import bench_parameters
from .core_memory import CoreMemory, serve
from .stream import PATTERNS, StreamSink, StreamSource, start


class Link:
    """The bridge with drivers, and the golden model that is told the same."""

    def __init__(self, dut: Any, *, idle: float = 0.0, stall: float = 0.0, delay: int = 2) -> None:
        seed = cocotb.RANDOM_SEED
        self.dut = dut
        self.payload_words = bench_parameters()["payload_words"]
        self.timeout_cycles = bench_parameters()["timeout_cycles"]
        self.chance = random.Random(f"{seed} frames")
        self.core, self.model_core = CoreMemory(), CoreMemory()
        self.model = FrameBridgeModel(self.payload_words, self.model_core)
        self.source = StreamSource(dut, "i", idle=idle, seed=seed)
        self.sink = StreamSink(dut, "o", stall=stall, seed=seed)
        self.expected = b""
        cocotb.start_soon(serve(dut, self.core, random.Random(f"{seed} core"), delay))

    async def send(self, data: bytes) -> None:
        """Bytes to the bridge and to the model."""
        self.expected += self.model.feed(data)
        await self.source.send(data)

    async def settle(self) -> None:
        """All expected answers have come and nothing more; what was executed is what the model executed."""
        await self.sink.wait_for(len(self.expected), cycles=400_000)
        for _ in range(100):
            await RisingEdge(self.dut.clk)
        received = bytes(self.sink.received)
        assert received == self.expected, f"answers differ: {_differing(received, self.expected)}"
        assert self.core.log == self.model_core.log
        assert self.core.words == self.model_core.words

    async def pause(self) -> None:
        """A silence that ends a frame: twice the timeout rounded up."""
        for _ in range(4 * self.timeout_cycles):
            await RisingEdge(self.dut.clk)
        self.model.pause()

    def frame(self, operation: int | None = None, **fields: Any) -> bytes:
        """A random legal frame, with the given fields."""
        chance = self.chance
        operation = chance.choice([1, 2, 3]) if operation is None else operation
        count = fields.get("count", chance.randint(1, chance.choice([2, self.payload_words])))
        address = fields.get("address", chance.choice([0, 0x20, 0x1000, 0x5000000]) + chance.randrange(64))
        sequence = fields.get("sequence", chance.randrange(256))
        payload = b""
        if operation == Operation.WRITE:
            payload = fields.get("payload", chance.randbytes(4 * count))
        body = struct.pack(REQUEST_HEADER, operation, sequence, address, count) + payload
        return REQUEST_MAGIC + body + crc32(body).to_bytes(4, "little")

    def garbage(self, longest: int) -> bytes:
        """Bytes that are not the beginning of a frame; magic bytes are frequent but apart."""
        data = bytes(self.chance.choice([0x4D, 0x00, 0x6D, self.chance.randrange(256)]) for _ in range(longest))
        return data.replace(REQUEST_MAGIC, b"\x4d\x4d") + REQUEST_MAGIC[: self.chance.randrange(2)]


def _differing(received: bytes, expected: bytes) -> str:
    at = next((i for i, (a, b) in enumerate(zip(received, expected, strict=False)) if a != b), len(received))
    return f"from byte {at} of {len(expected)}: {received[at : at + 24].hex()} for {expected[at : at + 24].hex()}"


async def _link(dut: Any, **options: Any) -> Link:
    link = Link(dut, **options)
    await start(dut, [])
    return link


def _corrupt(frame: bytes, chance: random.Random, first: int) -> bytes:
    at = chance.randrange(first, len(frame))
    return frame[:at] + bytes([frame[at] ^ 1 << chance.randrange(8)]) + frame[at + 1 :]


@cocotb.test()
@cocotb.parametrize(pattern=list(PATTERNS), delay=[0, 3])
async def mixture(dut: Any, pattern: tuple[float, float], delay: int) -> None:
    """Legal frames, repeated frames, refused frames and garbage in any order."""
    link = await _link(dut, idle=pattern[0], stall=pattern[1], delay=delay)
    chance = link.chance
    previous = link.frame(Operation.WRITE)
    kinds: list[Callable[[], bytes]] = [
        link.frame,
        link.frame,
        lambda: link.frame(Operation.WRITE),
        lambda: previous,
        lambda: _corrupt(link.frame(), chance, 12),
        lambda: link.frame(Operation.READ, count=0),
        lambda: link.frame(Operation.WRITE, count=0),
        lambda: link.frame(Operation.PING, count=chance.choice([0, link.payload_words, 0xFFFF])),
        lambda: link.frame(Operation.READ, count=chance.choice([link.payload_words + 1, 0xFFFF])),
        lambda: link.frame(Operation.WRITE, count=link.payload_words + chance.randint(1, 9)),
        lambda: link.frame(chance.choice([0, 4, 7, 0x82, 255])),
        lambda: link.frame(address=chance.choice([0x10000000, 0xF0000001, 0x80000000])),
        lambda: link.garbage(chance.randrange(20)),
    ]
    for _ in range(40):
        data = chance.choice(kinds)()
        if data[2:3] == bytes([Operation.WRITE]):
            previous = data
        await link.send(data)
    await link.settle()


@cocotb.test()
async def repeated_write(dut: Any) -> None:
    """The same WRITE again is answered, not executed; after any other executed frame it is executed."""
    link = await _link(dut)
    write = link.frame(Operation.WRITE, address=0x100, count=3, sequence=7)
    failing = link.frame(Operation.WRITE, address=0x3E, count=5, sequence=8)
    ping = link.frame(Operation.PING, sequence=8)
    bad = _corrupt(write, link.chance, 10)
    for data, executed in (
        (write, 3), (write, 3), (bad, 3), (write, 3), (ping, 3), (write, 6), (failing, 8), (failing, 8), (write, 11),
        (link.frame(Operation.READ, address=0, count=1), 12), (write, 15),
    ):  # fmt: skip
        await link.send(data)
        await link.settle()
        assert len(link.core.log) == executed
    assert link.core.fault(0x3F) == 4 and ANSWER_MAGIC + bytes([4, 8, 1, 0]) in link.expected


@cocotb.test()
async def nothing_before_the_checksum(dut: Any) -> None:
    """A WRITE with a bad checksum or without an end changes nothing."""
    link = await _link(dut)
    for _ in range(5):
        await link.send(_corrupt(link.frame(Operation.WRITE, count=link.payload_words), link.chance, 10))
    await link.settle()
    assert link.core.log == []
    assert link.expected.count(ANSWER_MAGIC + bytes([FrameStatus.BAD_CHECKSUM])) == 5
    whole = link.frame(Operation.WRITE, count=link.payload_words)
    await link.send(whole[:-1])
    await link.pause()
    await link.settle()
    assert link.core.log == []


@cocotb.test()
async def truncated(dut: Any) -> None:
    """A frame that stops at any byte gets no answer, and the frame after the pause gets one."""
    link = await _link(dut)
    for operation in (Operation.WRITE, Operation.READ):
        frame = link.frame(operation, count=2)
        for end in range(1, len(frame)):
            await link.send(frame[:end])
            await link.pause()
            await link.send(link.frame(Operation.PING, count=end))
            await link.settle()


@cocotb.test()
async def patience(dut: Any) -> None:
    """A pause shorter than the timeout between any two bytes does not end a frame."""
    link = await _link(dut)
    for byte in link.frame(Operation.WRITE, count=2):
        await link.send(bytes([byte]))
        for _ in range(link.timeout_cycles - 8):
            await RisingEdge(dut.clk)
    await link.settle()
    assert len(link.expected) == 10


@cocotb.test()
@cocotb.parametrize(spice=[0, 8, 40])
async def fuzz(dut: Any, spice: int) -> None:
    """Random bytes with pauses; magic bytes and headers are frequent. Then a correct transaction works."""
    link = await _link(dut, delay=0)
    chance = link.chance
    sent = 0
    while sent < 7000:
        data = bytearray(chance.randbytes(chance.randrange(300)))
        for _ in range(spice):
            at = chance.randrange(len(data) + 1)
            operation, count = chance.randrange(5), chance.choice([0, 1, 2, 3, 300])
            data[at:at] = REQUEST_MAGIC + struct.pack("<BBIH", operation, 0, 0, count)[: chance.randrange(9)]
        if chance.randrange(2):
            data += link.frame()
        sent += len(data)
        await link.send(bytes(data))
        if chance.randrange(2):
            await link.settle()
            await link.pause()
    await link.settle()
    await link.pause()
    write = link.frame(Operation.WRITE, address=0x40, count=4, sequence=1)
    await link.send(write + link.frame(Operation.READ, address=0x40, count=4, sequence=2))
    await link.settle()
    assert link.expected.endswith(write[10:26] + link.expected[-4:])


@cocotb.test()
async def line_rate(dut: Any) -> None:
    """WRITE frames at the fastest serial rate, a byte each 40 cycles, without a pause and with a slow answer line."""
    link = await _link(dut, delay=0)
    data = b"".join(link.frame(Operation.WRITE, count=link.payload_words, address=0x5000000) for _ in range(3))
    link.sink.stall = 1.0
    link.expected = link.model.feed(data)

    async def answer_line() -> None:
        while True:
            for _ in range(39):
                await RisingEdge(dut.clk)
            link.sink.stall = 0.0
            await RisingEdge(dut.clk)
            link.sink.stall = 1.0

    cocotb.start_soon(answer_line())
    for byte in data:
        dut.i__payload.value = byte
        dut.i__valid.value = 1
        await RisingEdge(dut.clk)
        assert int(dut.i__ready.value), "a byte would have been lost"
        dut.i__valid.value = 0
        for _ in range(39):
            await RisingEdge(dut.clk)
    await link.settle()
