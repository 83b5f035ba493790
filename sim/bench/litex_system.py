"""Bench of a LiteX SoC with an exported engine: registers of the engine through the SoC's own interconnect."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from ..simulator import bench_parameters
from .wishbone_master import Phase, WishboneMaster


@cocotb.test()
async def registers(dut: Any) -> None:
    """Identity, a register that can be written, and an access that the engine refuses; all at the window's place."""
    constants, origin = bench_parameters()["constants"], bench_parameters()["origin"]
    names = {name: f"wb_{name}" for name in ("cyc", "stb", "we", "adr", "sel", "dat_w", "dat_r", "ack", "err")} | {"clk": "clk"}
    dut.rst.value, dut.wb_cti.value, dut.wb_bte.value = 1, 0, 0
    master = WishboneMaster(dut, pipelined=False, idle=0.3, seed=cocotb.RANDOM_SEED, names=names)
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(20):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(20):
        await RisingEdge(dut.clk)

    def at(name: str) -> int:
        return (origin + constants[name]) // 4

    known = ("MAGIC", "FORMAT", "IDENTITY_LOW", "IDENTITY_HIGH")
    answers = await master.cycle([Phase(at(f"REGISTER_{name}")) for name in known])
    assert answers == [(False, constants[name]) for name in known]
    answers = await master.cycle([Phase(at("REGISTER_SCRATCH"), 0xA5), Phase(at("REGISTER_SCRATCH"))])
    assert answers == [(False, answers[0][1]), (False, 0xA5)]
    ((err, _),) = await master.cycle([Phase(at("REGISTER_MAGIC"), 1)])
    assert err
