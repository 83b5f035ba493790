"""Bench of ``Sequencer``: a program memory and layers of random length around it; programs with and without faults."""

from __future__ import annotations

from typing import Any

import cocotb

from ...hw.config import EngineConfig
from ..golden.sequencer import FOREIGN_PROGRAM, ILLEGAL_NUMBER, ILLEGAL_OPERATION, RUNAWAY_PROGRAM, SequencerModel
from ..golden.weight_stream import DAMAGED_WEIGHTS, STARVED
from .unit import Unit, run_units


class _Engine:
    """Program memory with its latency of 2, layers of random length, and the golden model."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.config = EngineConfig.from_dict(unit.told["config"])
        self.size: int = unit.told["size"]
        self.operations = [1, 2] if self.config.pooling else [1]
        self.limits: list[tuple[int, int, int]] = [tuple(limit) for limit in unit.told["limits"]]
        self.program = [0] * self.config.program_depth
        self.model = self._model()
        self.ran: list[int] = []
        self.lengths: list[int] = []
        self.busy_cycles = 0
        self._fetched = [0, 0]
        self._left = 0
        self.arriving = 0.1  # of the next block of weights, in a cycle
        self.transfers = self.awaited = 0
        self.begun: list[tuple[int, int]] = []

    def _model(self) -> SequencerModel:
        return SequencerModel(
            self.program, self.config.identity, self.size, self.operations, self.limits, header=self.config.header_words
        )

    def load(
        self, layers: int, *, last_operation: int | None = None, illegal: tuple[int, int, int] | None = None, end: bool = True
    ) -> None:
        """A program of random layers; ``last_operation`` replaces that of the last one, which exceeds the limit ``illegal``."""
        chance = self.unit.chance
        words = [self.config.identity & 0xFFFFFFFF, self.config.identity >> 32]
        words += [chance.getrandbits(32) for _ in range(self.config.header_words - 2)]
        for layer in range(layers):
            operation = chance.choice(self.operations)
            if last_operation is not None and layer == layers - 1:
                operation = last_operation
            bits = chance.getrandbits(32 * self.size) >> 2 << 2 | operation
            for first, width, count in self.limits:
                value = bits >> first & (1 << width) - 1
                bits ^= (value ^ value % count) << first
            if illegal is not None and layer == layers - 1:
                first, width, count = illegal
                value = bits >> first & (1 << width) - 1
                bits ^= (value ^ chance.randrange(count, 1 << width)) << first
            if self.config.streaming:
                first = self.unit.told["transfers"]
                bits ^= ((bits >> first & 0xFFFF) ^ chance.randrange(6)) << first
            words += [bits >> 32 * index & 0xFFFFFFFF for index in range(self.size)]
        depth = self.config.program_depth
        words += [0] * self.size if end else [chance.getrandbits(32) | 3 for _ in range(depth)]
        self.program[:] = (words + [0] * depth)[:depth]
        self.model = self._model()

    @property
    def capacity(self) -> int:
        """Descriptors that fit."""
        return (self.config.program_depth - self.config.header_words) // self.size

    async def cycle(self, **controls: int) -> None:
        """One cycle; checks that layers run one at a time and notes each."""
        unit = self.unit
        if self.config.streaming:
            self.transfers = min(self.transfers + (unit.chance.random() < self.arriving), 5)
            unit.drive(transfers=self.transfers)
        unit.drive(program_data=self._fetched[0], layer_idle=int(self._left == 0), **controls)
        await unit.tick()
        address = unit.get("program_address")
        word = self.program[address] if address < len(self.program) else unit.chance.getrandbits(32)
        self._fetched = [self._fetched[1], word]
        self._left = max(self._left - 1, 0)
        self.busy_cycles += unit.get("busy")
        if self.config.streaming:
            self.awaited += unit.get("awaiting")
            if unit.get("stream_begin"):
                self.begun.append((unit.get("stream_tag"), unit.get("stream_bursts")))
        if unit.get("go"):
            if self.config.streaming:
                assert unit.get("layer") >> unit.told["transfers"] & 0xFFFF <= self.transfers
            assert self._left == 0 and unit.get("busy")
            self.ran.append(unit.get("layer"))
            self._left = unit.chance.choice([1, unit.chance.randint(2, 40)])
            self.lengths.append(self._left)

    async def run(self, *, resume: bool = False, limit: int = 0, stop_after: int | None = None) -> None:
        """A start or resume until the engine rests; compares with the model and with the stated cycles."""
        unit, told = self.unit, self.unit.told
        self.ran, self.lengths, self.busy_cycles = [], [], 0
        self.transfers, self.awaited, self.begun = self.transfers if resume else 0, 0, []
        nothing = resume and not self.model.paused
        expected = self.model.resume(limit, stop_after) if resume else self.model.start(limit, stop_after)
        await self.cycle(start=int(not resume), resume=int(resume), stop=0, limit=limit)
        if nothing:
            await self.cycle(resume=0)
            assert not unit.get("busy") and unit.get("done") == self.model.done
            return
        await self.cycle(start=0, resume=0)
        assert unit.get("busy") and not unit.get("done") and not unit.get("paused") and not unit.get("error")
        stopping = False
        for _ in range(4000):
            if not unit.get("busy"):
                break
            # A start or resume while busy is ignored; it is busy for sure while a layer runs or has yet to come.
            busy = self._left > 0 or len(self.ran) < len(expected)
            stop = stop_after is not None and len(self.ran) == stop_after and not stopping
            stopping = stopping or stop
            again = {name: unit.chance.randrange(2) if busy else 0 for name in ("start", "resume")}
            await self.cycle(stop=int(stop), **again)
        assert not unit.get("busy"), "the sequencer hangs"
        width = (1 << unit.width("layer")) - 1
        assert self.ran == [descriptor & width for descriptor in expected]
        model = self.model
        state = tuple(unit.get(name) for name in ("done", "paused", "error", "layers"))
        assert state == (model.done, model.paused, model.error, model.layers), f"{state}"
        if model.done and not resume:
            cycles = told["header"] + sum(self.lengths) + len(self.lengths) * told["overhead"] + told["end"]
            assert self.busy_cycles == cycles + self.awaited, f"{self.busy_cycles} cycles for {cycles} + {self.awaited}"
        if self.config.streaming and not resume:
            header = [] if model.error == FOREIGN_PROGRAM else [(self.program[2], self.program[3] & (1 << unit.width("stream_bursts")) - 1)]
            assert self.begun == header


@cocotb.test()
async def whole_programs(dut: Any) -> None:
    """Every layer runs once, in order, and takes the stated overhead."""

    async def body(unit: Unit) -> None:
        engine = _Engine(unit)
        for _ in range(4):
            engine.load(unit.chance.randint(0, engine.capacity - 1))
            await engine.run()
            assert engine.model.done

    await run_units(dut, body)


@cocotb.test()
async def foreign_program(dut: Any) -> None:
    """A program with another identity, or none, does not run; a good one after it does."""

    async def body(unit: Unit) -> None:
        engine = _Engine(unit)
        for word, change in ((0, 1), (1, 1 << 31), (0, 1 << 31), (1, 1)):
            engine.load(1)
            engine.program[word] ^= change
            engine.model.program[word] ^= change
            await engine.run()
            assert engine.model.error == FOREIGN_PROGRAM
        engine.program[:] = [0] * len(engine.program)
        engine.model.program[:] = engine.program
        await engine.run()
        assert engine.model.error == FOREIGN_PROGRAM
        engine.load(1)
        await engine.run()
        assert engine.model.done

    await run_units(dut, body)


@cocotb.test()
async def illegal_operation(dut: Any) -> None:
    """An operation that the engine does not have ends the run before the layer starts."""

    async def body(unit: Unit) -> None:
        engine = _Engine(unit)
        for operation in {1, 2, 3} - set(engine.operations):
            engine.load(unit.chance.randint(1, engine.capacity - 1), last_operation=operation)
            await engine.run()
            assert engine.model.error == ILLEGAL_OPERATION

    await run_units(dut, body)


@cocotb.test()
async def illegal_number(dut: Any) -> None:
    """A number of something of which the engine has fewer ends the run before the layer starts."""

    async def body(unit: Unit) -> None:
        engine = _Engine(unit)
        for limit in engine.limits * 3:
            engine.load(unit.chance.randint(1, engine.capacity - 1), illegal=limit)
            await engine.run()
            assert engine.model.error == ILLEGAL_NUMBER

    await run_units(dut, body)


@cocotb.test()
async def weights_that_do_not_come(dut: Any) -> None:
    """A layer whose weights will not come ends the run with the prefetcher's error, or as starved; one that has its weights
    runs whatever the prefetcher says."""

    async def body(unit: Unit) -> None:
        engine = _Engine(unit)
        if not engine.config.streaming:
            return
        for error, starving in ((DAMAGED_WEIGHTS, 0), (DAMAGED_WEIGHTS, 1), (0, 1)):
            engine.load(1)
            engine.arriving = 0.0
            first, place = divmod(unit.told["transfers"], 32)
            for needed in (1, 0):
                for word, bits in ((first, 0xFFFF << place), (first + 1, 0xFFFF >> 32 - place)):
                    index = engine.config.header_words + word
                    if word < engine.size:
                        engine.program[index] = engine.program[index] & ~bits & 0xFFFFFFFF | (needed << place if word == first else 0)
                engine.transfers = 0
                unit.drive(stream_error=error, starving=starving)
                await engine.cycle(start=1, limit=0, stop=0)
                for _ in range(300):
                    await engine.cycle(start=0)
                assert not unit.get("busy")
                assert unit.get("error") == (0 if not needed else error or STARVED)
                assert unit.get("done") == 1 - needed
        unit.drive(stream_error=0, starving=0)

    await run_units(dut, body)


@cocotb.test()
async def runaway_program(dut: Any) -> None:
    """A program without an end stops at the end of the memory; one whose end just fits is done."""

    async def body(unit: Unit) -> None:
        engine = _Engine(unit)
        engine.load(engine.capacity, end=False)
        await engine.run()
        assert engine.model.error == RUNAWAY_PROGRAM
        engine.load(engine.capacity - 1)
        await engine.run()
        assert engine.model.done

    await run_units(dut, body)


@cocotb.test()
async def pauses(dut: Any) -> None:
    """Limits, resumes and stops; a resume that has nothing to resume does nothing; a start after a pause begins anew."""

    async def body(unit: Unit) -> None:
        engine = _Engine(unit)
        layers = engine.capacity - 1
        for limit in (1, 2, layers, layers + 1):
            engine.load(layers)
            await engine.run(limit=limit)
            while engine.model.paused:
                await engine.run(resume=True, limit=limit)
            assert engine.model.done
            await engine.run(resume=True, limit=limit)
        engine.load(layers)
        await engine.run(stop_after=1)
        assert engine.model.paused and engine.model.layers == 1
        await engine.run(resume=True, stop_after=1)
        assert engine.model.paused and engine.model.layers == 2
        await engine.run(resume=True)
        assert engine.model.done and engine.model.layers == layers
        await engine.run(limit=1)
        assert engine.model.paused and engine.model.layers == 1
        await engine.cycle(stop=1, start=0, resume=0)  # nothing to stop: no effect on what follows
        await engine.run(resume=True)
        assert engine.model.done
        await engine.run(limit=1)
        await engine.cycle(stop=1, start=0, resume=0)
        await engine.run()
        assert engine.model.done and engine.model.layers == layers

    await run_units(dut, body)


@cocotb.test()
async def reset(dut: Any) -> None:
    """A reset in the middle of a run ends it."""

    async def interrupted(unit: Unit) -> None:
        engine = _Engine(unit)
        engine.load(3)
        for cycle in range(unit.chance.randint(2, 40)):
            await engine.cycle(start=int(cycle == 0))
        unit.drive(start=0)

    async def again(unit: Unit) -> None:
        engine = _Engine(unit)
        for _ in range(3):
            await engine.cycle(start=0)
        assert not any(unit.get(name) for name in ("busy", "done", "paused", "error", "layers", "go"))
        engine.load(2)
        await engine.run()
        assert engine.model.done

    await run_units(dut, interrupted, again)
