"""Drivers and monitors of streams for cocotb benches; they apply random idle and back-pressure and check the stream rules."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

__all__ = ["PATTERNS", "StreamSink", "StreamSource", "start"]

PATTERNS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4), (0.05, 0.9), (0.9, 0.05))
"""Probabilities of idle and of stall in a cycle: the combinations that every streaming test crosses."""


async def start(dut: Any, inputs: Iterable[str], *, cycles: int = 3) -> None:
    """Start ``clk``, hold ``rst`` for ``cycles`` with the named inputs at 0, and return after the reset."""
    for name in inputs:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


class StreamSource:
    """Offers payloads to the stream ``name`` of ``dut``; idle in a cycle with probability ``idle``."""

    def __init__(self, dut: Any, name: str, *, idle: float = 0.0, seed: int = 0) -> None:
        self.clk = dut.clk
        self.payload = getattr(dut, f"{name}__payload")
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready")
        self.idle = idle
        self.random = random.Random(f"{seed} {name} source")
        self.valid.value = 0
        self.payload.value = 0

    async def send(self, values: Iterable[int]) -> None:
        """Transfer all ``values``; returns in the cycle after the last transfer."""
        for value in values:
            while self.idle and self.random.random() < self.idle:
                await RisingEdge(self.clk)
            self.payload.value = value
            self.valid.value = 1
            await RisingEdge(self.clk)
            while not int(self.ready.value):
                await RisingEdge(self.clk)
            self.valid.value = 0


class StreamSink:
    """Takes payloads from the stream ``name`` of ``dut`` into ``received``; stalls with probability ``stall``.

    Fails when ``valid`` falls or the payload changes before the transfer.
    """

    def __init__(self, dut: Any, name: str, *, stall: float = 0.0, seed: int = 0) -> None:
        self.clk = dut.clk
        self.rst = dut.rst
        self.name = name
        self.payload = getattr(dut, f"{name}__payload")
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready")
        self.stall = stall
        self.random = random.Random(f"{seed} {name} sink")
        self.received: list[int] = []
        self.ready.value = 0
        self.task = cocotb.start_soon(self._run())

    async def _run(self) -> None:
        waiting: int | None = None
        while True:
            ready = not (self.stall and self.random.random() < self.stall)
            self.ready.value = int(ready)
            await RisingEdge(self.clk)
            if int(self.rst.value):
                waiting = None
                continue
            valid = int(self.valid.value)
            payload = int(self.payload.value) if valid else None
            assert waiting is None or payload == waiting, f"{self.name}: {waiting:#x} was withdrawn, now {payload}"
            waiting = payload if valid and not ready else None
            if valid and ready and payload is not None:
                self.received.append(payload)

    async def wait_for(self, count: int, *, cycles: int) -> None:
        """Return when ``count`` payloads have been taken; fail after ``cycles`` cycles."""
        for _ in range(cycles):
            if len(self.received) >= count:
                return
            await RisingEdge(self.clk)
        raise AssertionError(f"{self.name}: {len(self.received)} of {count} payloads in {cycles} cycles")
