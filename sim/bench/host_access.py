"""Bench of ``HostAccess``: random requests to every region and its borders, idle and busy, with back-pressure; one answer each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb

from ..golden.host_access import BUSY, OK, Access, HostAccessModel
from .unit import Unit, run_units

_LONGEST = 32
"""Cycles in which every request is answered."""

_PATIENCE = 16
"""Cycles for which a write to the feature buffer waits at least before it is refused."""


_LONGEST_EXTERNAL = 56
"""The same for a write to the external memory."""

_MOMENTS = {"register": 2, "program": 3, "tap": 3, "weight": 3}
"""Cycles from a request until its write."""


@dataclass
class _Outcome:
    """What a request led to. ``moments``: cycles from the request to each write."""

    status: int
    data: int
    writes: list[tuple[str, tuple[int, ...], int]]
    moments: list[int]
    cycles: int
    tried: int


class _Core:
    """What surrounds the block: registers, memories as a log of writes, a feature buffer that answers late."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.model = HostAccessModel(**unit.told["model"])
        self.registers = [unit.chance.getrandbits(32) for _ in range(16)]
        self.word_width = 8 * unit.told["m"]
        self.features: dict[tuple[int, int], int] = {}
        self._line: list[int] = []
        self.free = self.taking = 1.0
        self.log: list[tuple[str, tuple[int, ...], int]] = []
        self.moments: list[int] = []
        self.moment = 0
        self.tried = 0

    def feature(self, address: int, bank: int) -> int:
        """The word at a place; random but fixed until it is written."""
        return self.features.setdefault((address, bank), self.unit.chance.getrandbits(self.word_width))

    async def cycle(self) -> None:
        """One cycle of everything around the block."""
        unit = self.unit
        free = unit.chance.random() < self.free
        # The register is selected in the same cycle: its value follows the address of the request at hand.
        unit.drive(feature_free=int(free))
        taken = unit.chance.random() < self.taking
        if unit.told["model"]["streaming"]:
            unit.drive(external_taken=int(taken))
        await unit.tick()
        data = unit.get("write_data")
        count = len(self.log)
        if unit.get("register_write"):
            self.log.append(("register", (unit.get("register"),), data))
        for kind in ("program", "tap", "weight"):
            enable = unit.get(f"{kind}_write")
            if enable:
                segment = enable.bit_length() - 1
                assert enable == 1 << segment, f"{kind}: segments {enable:b} at once"
                self.log.append((kind, (unit.get(f"{kind}_address"), segment), data))
        if unit.told["model"]["streaming"] and unit.get("external_write") and taken:
            self.log.append(("external", (unit.get("external_address"),), data))
        enable = unit.get("feature_write")
        place = (unit.get("feature_address"), unit.get("feature_bank"))
        if enable:
            self.tried += 1
            segment = enable.bit_length() - 1
            assert enable == 1 << segment
            if free:
                self.log.append(("feature", (*place, segment), data))
        self.moments += [self.moment] * (len(self.log) - count)
        self.moment += 1
        # A word is there only once its address has been stable for the stated time.
        late = unit.told["feature_latency"]
        self._line = [*self._line, self.feature(*place) if place[0] < unit.told["model"]["feature_depth"] else 0][
            -late:
        ]
        unit.drive(feature_word=self._line[0] if len(self._line) == late else 0)

    async def request(self, address: int, write: bool, data: int, *, stall: float = 0.0) -> _Outcome:
        """One request and its answer. The answer's wait for ``ready`` does not count."""
        unit, chance = self.unit, self.unit.chance
        self.log, self.moments, self.moment, self.tried = [], [], 0, 0
        unit.drive(
            port__request__payload=address | int(write) << 28 | data << 29, port__request__valid=1,
            register_value=self.registers[address & 15],
        )  # fmt: skip
        await self.cycle()
        assert unit.get("port__request__ready"), "not ready for a request"
        assert not unit.get("port__response__valid")
        unit.drive(port__request__valid=chance.randrange(2), port__request__payload=chance.getrandbits(61))
        cycles, ready = 0, False
        while not unit.get("port__response__valid"):
            cycles += 1
            ready = chance.random() >= stall
            unit.drive(port__response__ready=int(ready))
            await self.cycle()
            assert not unit.get("port__request__ready"), "a second request was taken"
            assert cycles <= 200, "no response"
        answer = unit.get("port__response__payload")
        while not ready:
            ready = chance.random() >= stall
            unit.drive(port__response__ready=int(ready))
            await self.cycle()
            assert unit.get("port__response__valid") and unit.get("port__response__payload") == answer
        unit.drive(port__request__valid=0, port__response__ready=1)
        for _ in range(chance.choice([0, 0, 1, 3])):
            await self.cycle()
            assert not unit.get("port__response__valid"), "a second response"
        return _Outcome(answer >> 32, answer & 0xFFFFFFFF, self.log, self.moments, cycles, self.tried)


def _random_address(unit: Unit) -> int:
    """An address in any region, often at its borders and in its gaps."""
    chance, model = unit.chance, unit.told["model"]
    region = chance.choice([0, 0, 1, 2, 4, 4, 5, 5, 5, 7, chance.randrange(16)])
    bits = {
        kind: (model[f"{kind}_segments"] - 1).bit_length() for kind in ("tap", "weight", "feature")
    } | {"program": 0}  # fmt: skip
    if region == 0:
        return chance.choice([chance.randrange(14), chance.randrange(16), 1 << chance.randrange(24)])
    names = {1: "program", 2: "tap", 4: "weight", 5: "feature"}
    if region not in names:
        return region << 24 | chance.getrandbits(24)
    name = names[region]
    depth = model[f"{name}_depth"]
    below = bits[name] + ((model["p"] - 1).bit_length() if name == "feature" else 0)
    word = chance.choice([0, depth - 1, depth - 1, depth, chance.randrange(depth), (1 << 24 - below) - 1])
    return region << 24 | word << below | chance.getrandbits(below) if below else region << 24 | word


def _check(core: _Core, address: int, write: bool, data: int, access: Access, outcome: _Outcome) -> None:
    place = f"{'write' if write else 'read'} of {address:#09x}: {outcome} for {access}"
    assert outcome.status == access.status, place
    assert outcome.cycles <= (_LONGEST_EXTERNAL if access.kind == "external" else _LONGEST), place
    value, writes = 0, []
    if access.kind == "register" and not write:
        value = core.registers[access.place[0]]
    elif access.kind == "feature" and not write:
        value = core.feature(*access.place[:2]) >> 32 * access.place[2] & 0xFFFFFFFF
    elif access.kind:
        writes = [(access.kind, access.place, data)]
    assert outcome.data == value, place
    assert outcome.writes == writes, place
    if access.kind in _MOMENTS and write:
        assert outcome.moments == [_MOMENTS[access.kind]], place


@cocotb.test()
@cocotb.parametrize(busy=[0, 1], stall=[0.0, 0.7])
async def requests(dut: Any, busy: int, stall: float) -> None:
    """Every request has exactly one answer, the golden one, in time, and does what the golden one does."""

    async def body(unit: Unit) -> None:
        core = _Core(unit)
        core.free = 0.5 if busy else 1.0
        core.taking = 0.3
        unit.drive(busy=busy, port__response__ready=1)
        kinds = set()
        for _ in range(250):
            address, write = _random_address(unit), unit.chance.random() < 0.6
            data = unit.chance.getrandbits(32)
            access = core.model.access(address, write, bool(busy))
            outcome = await core.request(address, write, data, stall=stall)
            if outcome.status == BUSY and access.kind == "feature":
                assert outcome.tried >= _PATIENCE and not outcome.writes
                continue
            _check(core, address, write, data, access, outcome)
            kinds.add((access.status, access.kind, write))
        wanted = {(OK, "register", False), (OK, "feature", True), (3, "", True), (4, "", False), (1, "", True)}
        wanted |= {(BUSY, "", True), (BUSY, "", False)} if busy else {(OK, "feature", False), (OK, "weight", True)}
        assert kinds >= wanted, f"never seen: {wanted - kinds}"

    await run_units(dut, body)


@cocotb.test()
async def feature_write_patience(dut: Any) -> None:
    """A write to a feature buffer that is never free is refused in time; one free cycle is enough."""

    async def body(unit: Unit) -> None:
        core = _Core(unit)
        unit.drive(busy=1, port__response__ready=1)
        core.free = 0.0
        outcome = await core.request(5 << 24, True, 77)
        assert outcome.status == BUSY and outcome.writes == []
        assert _PATIENCE <= outcome.tried and outcome.cycles <= _LONGEST
        core.free = 1.0
        outcome = await core.request(5 << 24, True, 78)
        assert outcome.status == OK and outcome.tried == 1 and outcome.writes == [("feature", (0, 0, 0), 78)]

    await run_units(dut, body)


@cocotb.test()
async def external_memory(dut: Any) -> None:
    """A write that the memory does not take is refused in time; while the memory is in use, so is every write but that to the
    features."""

    async def body(unit: Unit) -> None:
        if not unit.told["model"]["streaming"]:
            return
        core = _Core(unit)
        unit.drive(busy=0, port__response__ready=1)
        core.taking = 0.0
        outcome = await core.request(7 << 24 | 99, True, 77)
        assert outcome.status == BUSY and not outcome.writes and outcome.cycles <= _LONGEST_EXTERNAL
        core.taking = 1.0
        outcome = await core.request(7 << 24 | 99, True, 78)
        assert outcome.status == OK and outcome.writes == [("external", (99,), 78)]
        unit.drive(memory_busy=1)
        for region in (1, 2, 4, 7):
            outcome = await core.request(region << 24, True, 79)
            assert outcome.status == BUSY and not outcome.writes
        outcome = await core.request(5 << 24, True, 80)
        assert outcome.status == OK and outcome.writes == [("feature", (0, 0, 0), 80)]
        unit.drive(memory_busy=0)

    await run_units(dut, body)
