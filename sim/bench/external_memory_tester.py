"""Bench of ``ExternalMemoryTester`` with a memory in Python: every burst, every wrong word, and what happens to one that does not
answer."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb

from ...hw.external.memory_port import ADDRESS_BITS, MOST_WORDS
from ..golden.external_memory_tester import external_bursts, wrong_words
from ..golden.memory_tester import Fault, MemoryModel
from .unit import Unit, run_units


class _Memory:
    """Behind the tester's port, with random waits; judges each burst and notes each wrong word that the tester shows."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.words = int(unit.told["words"])
        self.region = int(unit.told["region"])
        fault = unit.told["fault"]
        self.fault = None if fault is None else Fault(**fault)
        self.model = MemoryModel(32, self.words, 32, self.fault)
        self.plan = iter(external_bursts(self.words))
        self.driven: dict[str, int] = {}
        self.to_read: deque[int] = deque()
        self.to_write: deque[int] = deque()
        self.values: deque[int] = deque()
        self.wrong: list[tuple[int, int, int, int]] = []
        self.stall = 0.0
        self.deaf: set[str] = set()
        self.restarts = 0
        self.busy_cycles = self.waiting_cycles = 0

    async def cycle(self, **controls: int) -> None:
        """One cycle."""
        unit = self.unit
        answers = bool(self.to_read) and self._willing("read")
        ready = int(self._willing("command"))
        give = int(bool(self.to_write) and self._willing("write"))
        wanted = {
            "memory__read__valid": int(answers), "memory__command__ready": ready, "memory__write__ready": give,
            "memory__ready": int("initialization" not in self.deaf), **controls,
        }  # fmt: skip
        if answers:
            wanted["memory__read__payload"] = self.model.read(self.to_read[0])
        unit.drive(**{name: value for name, value in wanted.items() if self.driven.get(name) != value})
        self.driven |= wanted
        await unit.tick()
        if answers:
            assert unit.get("memory__read__ready")
            self.to_read.popleft()
        if unit.get("memory__restart"):
            assert not self.to_read and not self.to_write, "restarted while a burst was under way"
            self.restarts += 1
        if unit.get("memory__command__valid") and ready:
            self._command(unit.get("memory__command__payload"))
        if unit.get("memory__write__valid") and give:
            value = unit.get("memory__write__payload")
            assert value == self.values.popleft()
            self.model.write(self.to_write.popleft(), value, 1)
        if unit.get("wrong"):
            assert unit.get("busy")
            self.wrong.append((unit.get("address"), unit.get("walk"), unit.get("expected"), unit.get("got")))
        self.busy_cycles += unit.get("busy")
        self.waiting_cycles += unit.get("waiting")

    def _willing(self, what: str) -> bool:
        return what not in self.deaf and (self.stall == 0 or self.unit.chance.random() >= self.stall)

    def _command(self, command: int) -> None:
        """A burst, which must be the next of the golden model."""
        address, words = command & (1 << ADDRESS_BITS) - 1, (command >> ADDRESS_BITS & MOST_WORDS - 1) + 1
        write = command >> ADDRESS_BITS + (MOST_WORDS - 1).bit_length()
        assert not self.to_read and not self.to_write
        wanted = next(self.plan)
        assert (address, words, bool(write)) == (wanted.address, len(wanted.values), wanted.write)
        (self.to_write if write else self.to_read).extend(range(address, address + words))
        if write:
            self.values.extend(wanted.values)

    async def test(self) -> None:
        """A whole test, compared with the golden model."""
        unit = self.unit
        self.plan, self.wrong = iter(external_bursts(self.words)), []
        self.restarts = self.busy_cycles = self.waiting_cycles = 0
        golden = MemoryModel(32, self.words, 32, self.fault)
        golden.words = list(self.model.words)
        await self.cycle(begin=1)
        for _ in range(400_000):
            await self.cycle(begin=0)
            if not unit.get("busy"):
                break
        assert not unit.get("busy") and not unit.get("silent") and next(self.plan, None) is None
        wanted = list(wrong_words(golden, self.words))
        assert self.wrong == wanted and bool(wanted) == (self.fault is not None)
        assert self.restarts == 42 * -(-self.words // self.region)


@cocotb.test()
async def whole_tests(dut: Any) -> None:
    """Each fault is found, in a memory that answers at once and in one that takes its time; none in a healthy one."""

    async def body(unit: Unit) -> None:
        memory = _Memory(unit)
        await memory.test()
        if unit.told["ideal"]:
            # An ideal memory takes a command at once, gives its first word a cycle later, and takes one a cycle.
            assert memory.busy_cycles - memory.waiting_cycles == unit.told["ideal"]
        if unit.told["slow"]:
            memory.stall = unit.told["slow"]
            memory.deaf = {"initialization"}
            memory.plan = iter(external_bursts(memory.words))
            for cycle in range(50):
                await memory.cycle(begin=int(cycle == 10))
                assert unit.get("waiting") == (cycle > 10) == unit.get("busy")
            memory.deaf = set()
            while unit.get("busy"):
                await memory.cycle(begin=0)
            await memory.test()

    await run_units(dut, body)


@cocotb.test()
async def silence(dut: Any) -> None:
    """A memory that stops answering at any point is given up after its time, and for ever."""

    def body(kind: str) -> Any:
        async def give_up(unit: Unit) -> None:
            memory = _Memory(unit)
            silence = unit.told["silence"]
            if not silence:
                return
            if kind == "initialization":
                memory.deaf = {kind}
            await memory.cycle(begin=1)
            if kind != "initialization":
                for _ in range(unit.chance.randrange(100, 3000)):
                    await memory.cycle(begin=0)
                memory.deaf = {kind}
            cycles = 0
            while unit.get("busy") or cycles == 0:
                await memory.cycle(begin=0)
                cycles += 1
                assert cycles < silence + 1000, "not given up"
            assert cycles >= silence - 1 and unit.get("silent")
            memory.deaf = set()
            for cycle in range(100):
                await memory.cycle(begin=int(cycle == 50))
                assert unit.get("silent") and not unit.get("busy") and not unit.get("memory__command__valid")

        return give_up

    await run_units(dut, *(body(kind) for kind in ("initialization", "command", "read", "write")))
