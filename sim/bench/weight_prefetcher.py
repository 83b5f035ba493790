"""Bench of ``WeightPrefetcher``: streams right and wrong, a memory of random speed, passes that end at random times."""

from __future__ import annotations

from typing import Any

import cocotb

from ..golden.crc32 import crc32
from ..golden.weight_stream import FOREIGN_WEIGHTS, SILENT_MEMORY, read_stream
from .unit import Unit, run_units


class _Prefetcher:
    """The component with a memory of 32-bit words at its port and a buffer behind its writes."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.segments: int = unit.told["segments"]
        self.depth: int = unit.told["depth"]
        self.burst: int = unit.told["burst"]
        self.queue: int = unit.told["queue"]
        self.memory: list[int] = []
        self.passes = 0
        self.asked: list[tuple[int, int]] = []  # bursts that read: address, words left
        self.written: list[tuple[int, int, int]] = []  # address, segment, data
        self.to_write: list[int] = []  # addresses of the host's words
        self.idle, self.stall = unit.chance.choice(((0.0, 0.0), (0.5, 0.0), (0.5, 0.7), (0.9, 0.2)))
        self.deaf = False  # the memory takes commands and does not answer

    def stream(self, blocks: int) -> int:
        """A random stream that fills whole bursts; its tag."""
        chance = self.unit.chance
        words = [chance.getrandbits(32)]
        after = 0
        for number in range(blocks):
            count = chance.randint(1, 6)
            first = chance.randrange(self.depth - count + 1)
            after += chance.choice((0, 0, 1, 2))
            last = int(number == blocks - 1)
            block = [first | count - 1 << 16, after | last << 16]
            block += [chance.getrandbits(32) for _ in range(count * self.segments)]
            block.append(crc32(b"".join(word.to_bytes(4, "little") for word in block)))
            words += block
        self.memory = words + [0] * (-len(words) % self.burst)
        return words[0]

    async def cycle(self, **controls: int) -> None:
        """One cycle of memory and passes."""
        unit, chance = self.unit, self.unit.chance
        answers = bool(self.asked) and not self.deaf and chance.random() >= self.idle
        word = 0
        if answers:
            address, left = self.asked[0]
            word = self.memory[address] if address < len(self.memory) else chance.getrandbits(32)
            self.asked[0] = address + 1, left - 1
            if left == 1:
                self.asked.pop(0)
        ready = int(chance.random() >= self.stall)
        give = int(bool(self.to_write) and chance.random() >= self.stall)
        unit.drive(
            memory__read__valid=int(answers), memory__read__payload=word, memory__command__ready=ready,
            memory__write__ready=give, memory__ready=1, passes=self.passes, **controls,
        )  # fmt: skip
        await unit.tick()
        if unit.get("memory__command__valid") and ready:
            command = unit.get("memory__command__payload")
            address, words = command & 0xFFFFFF, (command >> 24 & 63) + 1
            if command >> 30:
                assert words == 1
                self.to_write.append(address)
            else:
                assert words == self.burst and address % self.burst == 0
                self.asked.append((address, words))
        if unit.get("memory__write__valid") and give:
            self.memory[self.to_write.pop(0)] = unit.get("memory__write__payload")
        if enable := unit.get("write_enable"):
            assert enable & enable - 1 == 0
            self.written.append((unit.get("write_address"), enable.bit_length() - 1, unit.get("write_data")))
        # No more words are on their way than the queue holds.
        assert sum(left for _, left in self.asked) <= self.queue

    async def run(self, tag: int, bursts: int, *, cycles: int = 4000, hasty: bool = False) -> None:
        """A run from ``begin`` until nothing moves any more, compared with the golden model."""
        unit, chance = self.unit, self.unit.chance
        self.written, self.passes = [], 0
        await self.cycle(begin=1, tag=tag, bursts=bursts)
        expected, error = read_stream(self.memory[: bursts * self.burst], tag, self.segments)
        rest = 0
        for _ in range(cycles):
            await self.cycle(begin=0)
            done = unit.get("transfers")
            # What was written belongs to blocks whose passes have ended.
            at = len([1 for block in expected if block.after <= self.passes])
            limit = sum(len(block.words) for block in expected[:at]) * self.segments
            assert error or len(self.written) <= limit, f"written too early: {len(self.written)} of {limit}"
            if chance.random() < 0.05:
                self.passes += 1
            rest = rest + 1 if unit.get("starving") and not unit.get("active") else 0
            if rest > 20 and (done == len(expected) or error):
                break
        assert unit.get("error") == error, f"error {unit.get('error')} for {error}"
        assert unit.get("transfers") == len(expected)
        wanted = [
            (block.first + index, segment, data)
            for block in expected
            for index, word in enumerate(block.words)
            for segment, data in enumerate(word)
        ]
        assert self.written[: len(wanted)] == wanted
        if not error:
            assert len(self.written) == len(wanted) and unit.get("words") == bursts * self.burst
            assert not unit.get("active") and unit.get("starving")


@cocotb.test()
async def streams(dut: Any) -> None:
    """Every block of random streams, one after the other."""

    async def body(unit: Unit) -> None:
        for _ in range(6):
            fetcher = _Prefetcher(unit)
            tag = fetcher.stream(unit.chance.randint(1, 8))
            await fetcher.run(tag, len(fetcher.memory) // fetcher.burst)

    await run_units(dut, body)


@cocotb.test()
async def faults(dut: Any) -> None:
    """Another tag, a flipped bit: the run ends with its code, and the next one is right."""

    async def body(unit: Unit) -> None:
        for kind in range(6):
            fetcher = _Prefetcher(unit)
            tag = fetcher.stream(3)
            bursts = len(fetcher.memory) // fetcher.burst
            right = list(fetcher.memory)
            if kind < 2:
                await fetcher.run(tag ^ 1 << unit.chance.randrange(32), bursts)
            else:
                # Words or checksum of a block; with a wrong head it would wait for other passes or words.
                blocks, _ = read_stream(right, tag, fetcher.segments)
                sizes = [3 + len(block.words) * fetcher.segments for block in blocks]
                hit = unit.chance.randrange(len(sizes))
                place = 1 + sum(sizes[:hit]) + unit.chance.randrange(2, sizes[hit])
                fetcher.memory[place] ^= 1 << unit.chance.randrange(32)
                await fetcher.run(tag, bursts)
            fetcher.memory = right
            await fetcher.run(tag, bursts)

    await run_units(dut, body)


@cocotb.test()
async def silence(dut: Any) -> None:
    """A memory that does not answer is given up, but not before its time."""

    async def body(unit: Unit) -> None:
        fetcher = _Prefetcher(unit)
        tag = fetcher.stream(2)
        fetcher.deaf = True
        await fetcher.cycle(begin=1, tag=tag, bursts=4)
        silence = unit.told["silence"]
        for _ in range(silence - 100):
            await fetcher.cycle(begin=0)
        assert not unit.get("error")
        for _ in range(200):
            await fetcher.cycle()
        assert unit.get("error") == SILENT_MEMORY and unit.get("active") and not unit.get("draining")
        fetcher.deaf = bool(unit.chance.getrandbits(1))  # what comes late is dropped, in a run or before one
        await fetcher.cycle(abandon=1)
        for _ in range(50):
            await fetcher.cycle(abandon=0)
        fetcher.deaf = False
        await fetcher.run(tag, len(fetcher.memory) // fetcher.burst)

    await run_units(dut, body)


@cocotb.test()
async def silence_behind_an_abandoned_stream(dut: Any) -> None:
    """Words that are on their way are waited for, but not for ever."""

    async def body(unit: Unit) -> None:
        fetcher = _Prefetcher(unit)
        tag = fetcher.stream(5)
        bursts = len(fetcher.memory) // fetcher.burst
        await fetcher.cycle(begin=1, tag=tag, bursts=bursts)
        for _ in range(60):
            await fetcher.cycle(begin=0)
            if fetcher.asked:
                break
        fetcher.deaf = True
        await fetcher.cycle(abandon=1)
        silence = unit.told["silence"]
        for _ in range(silence - 100):
            await fetcher.cycle(abandon=0)
            assert unit.get("draining")
        for _ in range(200):
            await fetcher.cycle()
        assert not unit.get("draining") and unit.get("active") and not unit.get("error")
        fetcher.deaf = False
        await fetcher.run(tag, bursts)

    await run_units(dut, body)


@cocotb.test()
async def dropped_streams(dut: Any) -> None:
    """A stream that is abandoned, or begun again, at any time leaves nothing behind."""

    async def body(unit: Unit) -> None:
        for _ in range(6):
            fetcher = _Prefetcher(unit)
            tag = fetcher.stream(5)
            bursts = len(fetcher.memory) // fetcher.burst
            await fetcher.cycle(begin=1, tag=tag, bursts=bursts)
            for _ in range(unit.chance.choice((0, 3, 20, 60))):
                await fetcher.cycle(begin=0)
            if unit.chance.random() < 0.5:
                await fetcher.cycle(begin=0, abandon=1)
                await fetcher.cycle(abandon=0)
                for _ in range(600):
                    await fetcher.cycle()
                assert not unit.get("active")
            await fetcher.run(tag, bursts)

    await run_units(dut, body)


@cocotb.test()
async def words_of_the_host(dut: Any) -> None:
    """Each word that is taken reaches the memory; none is taken while a stream is read."""

    async def body(unit: Unit) -> None:
        fetcher = _Prefetcher(unit)
        fetcher.memory = [0] * 64
        wanted = {}
        for _ in range(20):
            address, data = unit.chance.randrange(64), unit.chance.getrandbits(32)
            for _ in range(200):
                await fetcher.cycle(host_address=address, host_data=data, host_write=1)
                if unit.get("host_taken"):
                    wanted[address] = data
                    break
            else:
                raise AssertionError("a word was not taken")
            await fetcher.cycle(host_write=0)
        for _ in range(200):
            await fetcher.cycle()
        assert all(fetcher.memory[address] == data for address, data in wanted.items())
        tag = fetcher.stream(4)
        fetcher.deaf = True
        await fetcher.cycle(begin=1, tag=tag, bursts=len(fetcher.memory) // fetcher.burst)
        await fetcher.cycle(begin=0)
        for _ in range(20):
            await fetcher.cycle(host_write=1)
            assert not unit.get("host_taken")
        fetcher.deaf = False
        unit.drive(host_write=0)
        await fetcher.run(tag ^ 1, 2)
        assert unit.get("error") == FOREIGN_WEIGHTS

    await run_units(dut, body)
