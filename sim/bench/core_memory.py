"""A core behind the port ``core`` of a design under test: words at every address, random delays, errors where it says."""

from __future__ import annotations

import random
from typing import Any

from cocotb.triggers import RisingEdge

from ..golden.frame_bridge import Core

__all__ = ["CoreMemory", "serve"]

_ADDRESS_MASK = (1 << 28) - 1


class CoreMemory:
    """A core with a word at every address; ``fault`` says which addresses answer with which status. Keeps a log."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.log: list[tuple[str, int, int]] = []

    @staticmethod
    def fault(address: int) -> int:
        """Every address that ends in 0x3F is an error, with a status that depends on the address."""
        return address >> 6 & 3 or 4 if address & 0x3F == 0x3F else 0

    def read(self, address: int) -> tuple[int, int]:
        """Status and word."""
        self.log.append(("read", address, 0))
        status = self.fault(address)
        return status, 0 if status else self.words.get(address, address * 0x9E3779B1 & 0xFFFFFFFF)

    def write(self, address: int, data: int) -> int:
        """Status."""
        self.log.append(("write", address, data))
        status = self.fault(address)
        if not status:
            self.words[address] = data
        return status


async def serve(dut: Any, core: Core, chance: random.Random, delay: int) -> None:
    """The slave side of the core port: one access at a time, each phase after up to ``delay`` cycles."""
    dut.core__request__ready.value = 0
    dut.core__response__valid.value = 0
    dut.core__response__payload.value = 0
    while True:
        for _ in range(chance.randrange(delay + 1)):
            await RisingEdge(dut.clk)
        dut.core__request__ready.value = 1
        await RisingEdge(dut.clk)
        while not int(dut.core__request__valid.value) or int(dut.rst.value):
            await RisingEdge(dut.clk)
        request = int(dut.core__request__payload.value)
        dut.core__request__ready.value = 0
        for _ in range(chance.randrange(delay + 1)):
            await RisingEdge(dut.clk)
        address, write, data = request & _ADDRESS_MASK, request >> 28 & 1, request >> 29
        if write:
            status, word = core.write(address, data), 0
        else:
            status, word = core.read(address)
        dut.core__response__payload.value = status << 32 | word
        dut.core__response__valid.value = 1
        await RisingEdge(dut.clk)
        while not int(dut.core__response__ready.value):
            await RisingEdge(dut.clk)
        dut.core__response__valid.value = 0
