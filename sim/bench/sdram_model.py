"""Bench of the SDRAM model: each rule, broken by the least and kept by the least; data in every mode of a burst."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer

from ..simulator import bench_parameters

_CODES = {"act": 0b011, "read": 0b101, "write": 0b100, "pre": 0b010, "ref": 0b001, "mode": 0b000}
_ALL = 1 << 10


class _Chip:
    """The memory's pins; one call is one cycle."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        told = bench_parameters()
        self.rules: dict[str, int] = told["rules"]
        self.times: dict[str, float] = told["times"]
        self.period: float = told["period"]

    def wait(self, name: str) -> int:
        """The fewest cycles that a time allows."""
        return ceil(self.times[name] / self.period - 1e-9)

    async def cycle(
        self, order: str = "", bank: int = 0, a: int = 0, *, data: int | None = None, mask: int = 0, cke: int = 1
    ) -> int:
        """One command, or none; what the memory drives at the edge."""
        pins = self.dut
        code = _CODES[order] if order else 0b111
        pins.pins__ras_n.value, pins.pins__cas_n.value, pins.pins__we_n.value = code >> 2, code >> 1 & 1, code & 1
        pins.pins__cs_n.value, pins.pins__cke.value, pins.pins__dqm.value = 0, cke, mask
        pins.pins__ba.value, pins.pins__a.value = bank, a
        pins.pins__dq_oe.value, pins.pins__dq_o.value = int(data is not None), data or 0
        await RisingEdge(pins.clk)
        return int(pins.pins__dq_i.value)

    async def idle(self, cycles: int) -> None:
        """Cycles without a command."""
        for _ in range(cycles):
            await self.cycle()

    async def rest(self) -> None:
        """All rows closed, all timers over, a refresh done."""
        await self.idle(20)
        for order, a in (("pre", _ALL), ("ref", 0)):
            await self.cycle(order, a=a)
            await self.idle(20)

    async def broken(self) -> tuple[int, int]:
        """Number of broken rules so far and the latest."""
        await self.cycle()
        return int(self.dut.violations.value), int(self.dut.violation.value)

    async def expect(self, rule: str, steps: Sequence[tuple[Any, ...]], *, rest: bool = True) -> None:
        """The steps, each a command with its arguments or a number of idle cycles, break this rule, or none if it is ""."""
        before, _ = await self.broken()
        for step in steps:
            if isinstance(step[0], int):
                await self.idle(step[0])
            else:
                await self.cycle(step[0], *step[1:2], *step[2:3], **(step[3] if len(step) > 3 else {}))
        after, latest = await self.broken()
        if rule:
            assert after > before and latest == self.rules[rule], f"{rule} was not seen in {steps}: {after - before}, {latest}"
        else:
            assert after == before, f"rule {latest} was seen in {steps}"
        if rest:
            await self.rest()


@cocotb.test()
async def every_rule(dut: Any) -> None:
    """In the order in which a memory meets them."""
    chip = _Chip(dut)
    for name in ("ras_n", "cas_n", "we_n", "cs_n", "cke"):
        getattr(dut, f"pins__{name}").value = 1
    for name in ("ba", "a", "dqm", "dq_o", "dq_oe"):
        getattr(dut, f"pins__{name}").value = 0
    dut.rst.value = 0
    await Timer(1, "ns")
    Clock(dut.clk, 10, unit="ns").start()

    await chip.expect("POWER_UP", [("pre", 0, _ALL)], rest=False)
    await chip.idle(chip.wait("t_power_up"))
    await chip.expect("SEQUENCE", [("act", 0, 1)], rest=False)
    await chip.rest()
    await chip.expect("SEQUENCE", [("mode", 0, 2 << 4 | 1)], rest=False)  # one refresh so far
    await chip.rest()
    await chip.expect("MODE", [("mode", 0, 1 << 4 | 1)])
    await chip.expect("MODE", [("mode", 0, 2 << 4 | 7)])
    await chip.expect("", [("mode", 0, 2 << 4 | 1), (1,), ("act", 0, 5)])
    await chip.expect("T_MRD", [("mode", 0, 2 << 4 | 1), ("act", 0, 5)])

    rcd, rp, ras = chip.wait("t_rcd"), chip.wait("t_rp"), chip.wait("t_ras")
    rc, rfc, wr, rrd = chip.wait("t_rc"), chip.wait("t_rfc"), chip.wait("t_wr"), chip.wait("t_rrd")
    row = ("act", 1, 7)
    pairs: dict[str, tuple[list[tuple[Any, ...]], int, list[tuple[Any, ...]]]] = {
        "T_RCD": ([row], rcd, [("read", 1, 0), (6,)]),
        "T_RAS": ([row], ras, [("pre", 1, 0)]),
        "T_RP": ([row, (20,), ("pre", 1, 0)], rp, [("act", 1, 8)]),
        "T_RC": ([row, (ras - 1,), ("pre", 1, 0)], rc - ras, [("act", 1, 8)]),
        "T_RRD": ([row], rrd, [("act", 2, 8)]),
        "T_RFC": ([("ref",)], rfc, [("act", 0, 8)]),
        "T_WR": ([row, (20,), ("write", 1, 4, {"data": 1}), ("", 0, 0, {"data": 2})], wr, [("pre", 1, 0)]),
    }
    for rule, (before, least, then) in pairs.items():
        await chip.expect("", [*before, (least - 1,), *then])
        await chip.expect(rule, [*before, (least - 2,), *then])
    await chip.expect("CLOSED", [("read", 3, 0), (6,)])
    await chip.expect("CLOSED", [row, (6,), ("pre", 1, 0), (6,), ("write", 1, 0, {"data": 1}), (1,)])
    await chip.expect("OPEN", [row, (20,), ("act", 1, 9)])
    await chip.expect("NOT_IDLE", [row, (20,), ("ref",)])
    await chip.expect("NOT_IDLE", [row, (20,), ("mode", 0, 2 << 4 | 1)])
    await chip.expect("BUS", [row, (20,), ("read", 1, 0), (1,), ("", 0, 0, {"data": 3}), (6,)])
    await chip.expect("MASK", [row, (20,), ("read", 1, 0, {"mask": 1}), (6,)])
    await chip.expect("WRITE_CUT", [row, (20,), ("write", 1, 0, {"data": 1}), ("read", 1, 0), (6,)])
    await chip.expect("CLOCK", [("", 0, 0, {"cke": 0}), (3,)])

    # Data: two beats, bytes kept by their mask, a burst that starts at an odd column, one that another cuts.
    await chip.cycle("act", 2, 9)
    await chip.idle(20)
    for column, first, second, mask in ((4, 0x1234, 0x5678, 0), (6, 0x9ABC, 0xDEF0, 0), (4, 0xFFFF, 0xEEEE, 2)):
        await chip.cycle("write", 2, column, data=first, mask=mask)
        await chip.cycle(data=second, mask=mask)
    await chip.cycle("read", 2, 5)
    await chip.cycle("read", 2, 6)  # cuts the first after one beat
    beats = [await chip.cycle() for _ in range(4)]
    assert beats[:3] == [0x56EE, 0x9ABC, 0xDEF0], [hex(beat) for beat in beats]
    await chip.rest()

    # Refreshes: eight may be early, eight may be late.
    interval, most = chip.times["t_refi"] / chip.period, int(chip.times["postponed"])
    for _ in range(3 * most):
        await chip.rest()
    await chip.expect("", [(int((2 * most - 1) * interval),)], rest=False)
    await chip.expect("T_REFI", [(int(3 * interval),)])
    for _ in range(3 * most):
        await chip.rest()
    await chip.cycle("act", 0, 1)
    await chip.idle(int(100_100 / chip.period))
    await chip.expect("T_RAS_MOST", [("pre", 0, 0)])
