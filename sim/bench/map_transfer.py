"""Bench of ``MapTransfer``: random rows of random maps both ways, a memory of random speed, wrong rows, dropped transfers."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb

from ..golden.map_transfer import transfer_bursts, transfer_words
from .unit import Unit, run_units


class _Transfer:
    """The component between a feature buffer and a memory."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.segments: int = unit.told["segments"]
        self.banks: int = unit.told["banks"]
        self.latency: int = unit.told["latency"]
        depth: int = unit.told["depth"]
        chance = unit.chance
        word_bits: int = unit.told["bits"]
        self.buffer = {
            (address, bank): [
                chance.getrandbits(min(32, word_bits - 32 * segment)) for segment in range(self.segments)
            ]
            for address in range(depth)
            for bank in range(self.banks)
        }
        self.pipe: deque[tuple[int, int]] = deque([(0, 0)] * self.latency)
        planes, rows, self.line = chance.randint(1, 3), chance.randint(1, 4), chance.randint(1, 12)
        self.row = self.line * self.banks * self.segments  # words in front of a checksum
        first, plane_step = chance.randrange(depth), rows * self.line + chance.randint(0, 5)
        self.words = transfer_words(self.buffer, first, plane_step, planes, rows, self.line, self.banks)
        size = len(self.words[0])
        step = size + chance.randint(0, 100)
        # Anywhere, or so that the first plane ends at a border of bursts.
        external = chance.choice((chance.randrange(1 << 20), (chance.randrange(1 << 14) + 64) * 64 - size))
        self.bursts = transfer_bursts(external, step, size, planes)
        self.head = first | planes - 1 << 16 | rows - 1 << 51
        self.more = plane_step | self.line - 1 << 16 | external << 32 | step << 64 | size << 96
        self.asked: list[tuple[int, int]] = []
        self.given: list[int] = []
        self.written: list[tuple[int, int, int, int]] = []
        self.ended = self.damaged = 0
        self.first_given = self.now = 0

    async def cycle(self, **controls: int) -> None:
        """One cycle; notes what it shows."""
        unit = self.unit
        word = self.buffer[self.pipe[0]]
        unit.drive(read_word=sum(part << 32 * number for number, part in enumerate(word)), **controls)
        await unit.tick()
        self.pipe.popleft()
        self.pipe.append((unit.get("buffer_address") % (max(self.buffer)[0] + 1), unit.get("buffer_bank")))
        if unit.get("ask") and controls.get("asked"):
            self.asked.append((unit.get("address"), unit.get("words_last") + 1))
        if unit.get("given__valid") and controls.get("given__ready"):
            self.given.append(unit.get("given__payload"))
        if unit.get("given__valid") and not self.first_given:
            self.first_given = self.now
        if enable := unit.get("write_enable"):
            self.written.append((*self.pipe[-1], enable.bit_length() - 1, unit.get("write_data")))
        self.ended += unit.get("done")
        self.damaged += unit.get("damaged")
        self.now += 1

    async def prepare(self, storing: int) -> None:
        """Head and direction are stable, the transfer rests long enough."""
        kind = 2 if storing else 1
        for _ in range(20):
            await self.cycle(active=0, head=self.head | kind << 49, more=self.more, storing=storing, asked=0, arrived=0, given__ready=0)
        self.asked, self.given, self.written = [], [], []
        self.ended = self.damaged = self.first_given = self.now = 0

    async def store(self, hurry: bool = False) -> None:
        """To the memory, at random speed or as fast as it goes."""
        chance = self.unit.chance
        await self.prepare(1)
        slow = 0.0 if hurry else chance.choice((0.0, 0.5, 0.9))
        total = sum(map(len, self.words))
        for _ in range(200 + 40 * total):
            await self.cycle(active=1, asked=int(chance.random() >= slow), given__ready=int(chance.random() >= slow))
            if self.ended:
                break
        assert self.ended and self.given == [word for plane in self.words for word in plane], "other words were stored"
        assert self.asked == self.bursts, f"bursts {self.asked}, not {self.bursts}"
        if hurry:
            assert self.first_given == self.latency + 2 and self.now == self.first_given + total + 1, "not in time"
        await self.cycle(active=0)

    async def load(self, flip: int = -1, most: int = -1) -> None:
        """From the memory; a bit of word ``flip`` is wrong, or the transfer is dropped after ``most`` words."""
        chance = self.unit.chance
        await self.prepare(0)
        idle, stall = chance.choice((0.0, 0.5, 0.9)), chance.choice((0.0, 0.5))
        content = [word for plane in self.words for word in plane]
        sent = content[:flip] + [content[flip] ^ 1 << chance.randrange(32)] + content[flip + 1 :] if flip >= 0 else content
        next_word = 0
        for _ in range(200 + 40 * len(content)):
            arrived = int(next_word < sum(words for _, words in self.asked) and chance.random() >= idle)
            word = sent[next_word] if arrived else chance.getrandbits(32)
            next_word += arrived
            await self.cycle(active=1, asked=int(chance.random() >= stall), arrived=arrived, word=word)
            if self.ended or self.damaged or next_word == most:
                break
        await self.cycle(active=0, arrived=0)
        if most >= 0:
            return
        assert (self.ended, self.damaged) == ((1, 0) if flip < 0 else (0, 1)), f"done {self.ended}, damaged {self.damaged}"
        body = [word for index, word in enumerate(sent) if index % (self.row + 1) != self.row]
        assert [word for *_, word in self.written] == body[: len(self.written)], "other words were loaded"
        assert [segment for *_, segment, _ in self.written] == [k % self.segments for k in range(len(self.written))]
        assert [bank for _, bank, *_ in self.written] == [k // self.segments % self.banks for k in range(len(self.written))]
        if flip < 0:
            for address, bank, segment, word in self.written:
                assert self.buffer[address, bank][segment] == word, "a word was loaded to another place"
            assert self.asked == self.bursts and len(self.written) == len(body)


@cocotb.test()
async def both_ways(dut: Any) -> None:
    """Words, places and bursts of random transfers."""

    async def body(unit: Unit) -> None:
        for _ in range(5):
            await _Transfer(unit).store()
            await _Transfer(unit).load()

    await run_units(dut, body)


@cocotb.test()
async def in_time(dut: Any) -> None:
    """A memory that never waits gets a word a cycle."""

    async def body(unit: Unit) -> None:
        for _ in range(3):
            await _Transfer(unit).store(hurry=True)

    await run_units(dut, body)


@cocotb.test()
async def wrong_rows(dut: Any) -> None:
    """A bit that differs, of a word or of a checksum, is found with its row; what follows is right."""

    async def body(unit: Unit) -> None:
        for _ in range(4):
            transfer = _Transfer(unit)
            total = sum(map(len, transfer.words))
            sums = range(transfer.row, total, transfer.row + 1)
            await transfer.load(flip=unit.chance.choice((unit.chance.randrange(total), unit.chance.choice(sums))))
            await _Transfer(unit).load()

    await run_units(dut, body)


@cocotb.test()
async def dropped(dut: Any) -> None:
    """Transfers that end at any time leave nothing behind."""

    async def body(unit: Unit) -> None:
        for _ in range(4):
            transfer = _Transfer(unit)
            if unit.chance.random() < 0.5:
                await transfer.load(most=unit.chance.randrange(sum(map(len, transfer.words))))
            else:
                await transfer.prepare(1)
                for _ in range(unit.chance.randrange(40)):
                    await transfer.cycle(active=1, asked=1, given__ready=int(unit.chance.random() < 0.5))
            await _Transfer(unit).store()
            await _Transfer(unit).load()

    await run_units(dut, body)
