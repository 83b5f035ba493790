"""Bench of ``MemoryTester`` with an external memory: an SDRAM behind its controller, whose broken lines are found in the cycles
predicted, and one that never answers."""

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

_CONTROL = region_address(Region.REGISTERS, MemoryTestRegister.CONTROL.value)


async def _test(unit: Unit, host: Host, busy: Any) -> int:
    """A whole test; the status behind it."""
    await host.access(_CONTROL, 1, 1)
    assert unit.get("busy")
    await FallingEdge(busy)
    await unit.tick(2)
    return await host.get(MemoryTestRegister.STATUS)


@cocotb.test()
async def silence(dut: Any) -> None:
    """The test ends, with the memories on the chip tested and a status that tells; the next one knows it at once."""

    async def body(unit: Unit) -> None:
        if "runs" in unit.told:
            return
        host = Host(unit)
        for _ in range(2):
            status = await _test(unit, host, dut.u1__busy)
            assert [status >> bit & 1 for bit in (MemoryTestStatus.DONE, MemoryTestStatus.FAILED, MemoryTestStatus.SILENT)] == [1] * 3
            assert unit.get("error") and await host.get(MemoryTestRegister.FAILURES) == 0
            assert await host.get(MemoryTestRegister.CYCLES) == unit.told["cycles"] + 2
            assert await host.get(MemoryTestRegister.EXTERNAL_CYCLES) == 0
            # While it runs, another start changes nothing.
            await host.access(_CONTROL, 1, 1)
            await host.access(_CONTROL, 1, 1)
            await FallingEdge(dut.u1__busy)
            assert await host.get(MemoryTestRegister.CYCLES) == unit.told["cycles"] + 2

    await run_units(dut, body)


@cocotb.test()
async def broken_lines(dut: Any) -> None:
    """Row, column, bank and data lines, one kind at a time."""

    async def body(unit: Unit) -> None:
        if "runs" not in unit.told:
            return
        host = Host(unit)
        on_chip = memory_tester([MemoryModel(8, 2, 8)]).cycles + 2
        for lines, fault in unit.told["runs"]:
            unit.drive(**{name: 0 for name in ("a_low", "ba_low", "dq_high")} | lines)
            model = MemoryModel(32, unit.told["words"], 32, None if fault is None else Fault(**fault))
            wanted = external_memory_tester(model, unit.told["words"])
            assert bool(wanted.failures) == (fault is not None)
            status = await _test(unit, host, dut.u0__busy)
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
