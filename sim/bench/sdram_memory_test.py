"""Bench of ``MemoryTester`` with an SDRAM behind its controller: broken lines are found, and cycles are as predicted."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from ...hw.control.memory_test_map import MemoryTestRegister, MemoryTestStatus
from ...hw.control.register_map import Region, region_address
from ..golden.external_memory_tester import external_memory_tester
from ..golden.memory_tester import Fault, MemoryModel, memory_tester
from .memory_tester import Host
from .unit import Unit, run_units


@cocotb.test()
async def broken_lines(dut: Any) -> None:
    """Row, column, bank and data lines, one kind at a time, and then none."""

    async def body(unit: Unit) -> None:
        host = Host(unit)
        on_chip = memory_tester([MemoryModel(8, 2, 8)]).cycles + 2
        for lines, fault in unit.told["runs"]:
            unit.drive(**{name: 0 for name in ("a_low", "ba_low", "dq_high")} | lines)
            model = MemoryModel(32, unit.told["words"], 32, None if fault is None else Fault(**fault))
            wanted = external_memory_tester(model, unit.told["words"])
            assert bool(wanted.failures) == (fault is not None)
            await host.access(region_address(Region.REGISTERS, MemoryTestRegister.CONTROL.value), 1, 1)
            assert unit.get("busy")
            await FallingEdge(dut.u0__busy)
            await unit.tick(2)
            status = await host.get(MemoryTestRegister.STATUS)
            assert status >> MemoryTestStatus.DONE & 1 and not status >> MemoryTestStatus.SILENT & 1
            assert status >> MemoryTestStatus.FAILED & 1 == bool(wanted.failures) == unit.get("error")
            for register in (MemoryTestRegister.FAILURES, MemoryTestRegister.EXTERNAL_FAILURES):
                assert await host.get(register) == wanted.failures
            assert await host.get(MemoryTestRegister.EXTERNAL_BITS) == wanted.bits
            assert await host.get(MemoryTestRegister.EXTERNAL_CYCLES) == unit.told["cycles"]
            assert await host.get(MemoryTestRegister.CYCLES) == unit.told["cycles"] + on_chip
            if wanted.first is not None:
                registers = (
                    MemoryTestRegister.MEMORY, MemoryTestRegister.SEGMENT, MemoryTestRegister.ADDRESS, MemoryTestRegister.PASS,
                    MemoryTestRegister.EXPECTED, MemoryTestRegister.GOT,
                )  # fmt: skip
                assert tuple([await host.get(register) for register in registers]) == (1, 0, *wanted.first)
            assert unit.get("violation") == 0, f"rule {unit.get('violation')} of the memory was broken"

    await run_units(dut, body)
