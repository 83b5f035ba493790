"""Bench of ``MemoryTester``: whole tests over healthy and faulty memories, their result and cycles as the golden model's."""

from __future__ import annotations

from typing import Any

import cocotb

from ...hw.control.memory_test_map import MEMORY_TEST_FORMAT, MemoryTestRegister, MemoryTestStatus
from ...hw.control.register_map import MAGIC, Region, Status, region_address
from ..golden.memory_tester import Fault, MemoryModel, memory_tester
from .unit import Unit, run_units

__all__ = ["Host", "accesses", "whole_tests"]

_ANSWER_CYCLES = 3


class Host:
    """Asks the tester's port."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    async def access(self, address: int, write: int = 0, data: int = 0) -> tuple[int, int]:
        """Status and data of the answer; the answer waits while the host is not ready."""
        unit = self.unit
        unit.drive(port__request__valid=1, port__request__payload=address | write << 28 | data << 29)
        unit.drive(port__response__ready=0)
        await unit.tick()
        while not unit.get("port__request__ready"):
            await unit.tick()
        unit.drive(port__request__valid=0)
        cycles = 0
        while not unit.get("port__response__valid"):
            cycles += 1
            assert cycles <= _ANSWER_CYCLES, "no answer"
            await unit.tick()
        await unit.tick(unit.chance.randrange(3))
        answer = unit.get("port__response__payload")
        unit.drive(port__response__ready=1)
        await unit.tick()
        unit.drive(port__response__ready=0)
        await unit.tick()
        assert not unit.get("port__response__valid"), "one request has one answer"
        return answer >> 32, answer & 0xFFFFFFFF

    async def get(self, register: Any) -> int:
        status, data = await self.access(region_address(Region.REGISTERS, register.value))
        assert status == Status.OK.value
        return data


@cocotb.test()
async def whole_tests(dut: Any) -> None:
    async def body(unit: Unit) -> None:
        host = Host(unit)
        memories = [
            MemoryModel(width, depth, granularity, None if fault is None else Fault(**fault))
            for (width, depth, granularity), fault in zip(unit.told["shapes"], unit.told["faults"], strict=True)
        ]
        identity = await host.get(MemoryTestRegister.IDENTITY_HIGH) << 32 | await host.get(MemoryTestRegister.IDENTITY_LOW)
        assert [await host.get(MemoryTestRegister.MAGIC), await host.get(MemoryTestRegister.FORMAT), identity] == [
            MAGIC, MEMORY_TEST_FORMAT, unit.told["identity"],
        ]  # fmt: skip
        assert await host.get(MemoryTestRegister.STATUS) == 0 and not unit.get("busy")
        control = region_address(Region.REGISTERS, MemoryTestRegister.CONTROL.value)
        for _ in range(2):  # the second finds the first one's contents
            wanted = memory_tester(memories)
            assert await host.access(control, 1, 1) == (Status.OK.value, 0)
            assert unit.get("busy") and await host.get(MemoryTestRegister.STATUS) >> MemoryTestStatus.BUSY & 1
            while unit.get("busy"):
                await unit.tick(20)
            status = await host.get(MemoryTestRegister.STATUS)
            assert status >> MemoryTestStatus.DONE & 1 and not status >> MemoryTestStatus.BUSY & 1
            assert status >> MemoryTestStatus.FAILED & 1 == (wanted.first is not None) == unit.get("error")
            assert await host.get(MemoryTestRegister.FAILURES) == wanted.failures
            assert await host.get(MemoryTestRegister.CYCLES) == wanted.cycles
            if wanted.first is not None:
                first = [
                    await host.get(register) for register in (
                        MemoryTestRegister.MEMORY, MemoryTestRegister.ADDRESS, MemoryTestRegister.SEGMENT,
                        MemoryTestRegister.PASS, MemoryTestRegister.EXPECTED, MemoryTestRegister.GOT,
                    )
                ]  # fmt: skip
                assert tuple(first) == wanted.first
            assert (wanted.first is not None) == unit.told["broken"]

    await run_units(dut, body)


@cocotb.test()
async def accesses(dut: Any) -> None:
    """What there is not, and what cannot be written."""

    async def body(unit: Unit) -> None:
        host = Host(unit)
        for address in (region_address(Region.REGISTERS, 18), region_address(Region.REGISTERS, 32), region_address(Region.FEATURES, 0)):
            for write in (0, 1):
                assert await host.access(address, write, 1) == (Status.ADDRESS.value, 0)
        for register in MemoryTestRegister:
            if register is not MemoryTestRegister.CONTROL:
                address = region_address(Region.REGISTERS, register.value)
                assert (await host.access(address, 1, 1))[0] == Status.READ_ONLY.value
        assert await host.access(region_address(Region.REGISTERS, MemoryTestRegister.CONTROL.value), 1, 2) == (0, 0)
        assert not unit.get("busy")

    await run_units(dut, body)
