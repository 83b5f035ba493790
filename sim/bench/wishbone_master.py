"""A Wishbone B4 master for benches, classic or pipelined; it idles, keeps several requests open and gives cycles up.

The package cocotbext-wishbone waits for each answer before the next request, also in pipelined cycles, and never ends a
cycle early, so it cannot show what this shows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

__all__ = ["Phase", "WishboneMaster"]


@dataclass(frozen=True)
class Phase:
    """One read (``data`` None) or write; the address counts words."""

    address: int
    data: int | None = None
    select: int = 15


class WishboneMaster:
    """Drives the ports ``prefix + name + suffix`` of ``dut``; idle in a cycle with probability ``idle``.

    Fails when both ``ack`` and ``err`` come, or one without a request.
    """

    def __init__(
        self, dut: Any, *, pipelined: bool, idle: float = 0.0, seed: int = 0, prefix: str = "bus__", names: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.clk = dut.clk if names is None else getattr(dut, names["clk"])
        self.pipelined = pipelined
        self.idle = idle
        self.chance = random.Random(f"{seed} wishbone")
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w", "dat_r", "ack", "err", *(("stall",) if pipelined else ())):
            setattr(self, name, getattr(dut, prefix + name if names is None else names[name]))
        for handle in (self.cyc, self.stb, self.we, self.adr, self.sel, self.dat_w):
            handle.value = 0
        self.open = 0
        self.answers: list[tuple[bool, int]] = []
        cocotb.start_soon(self._listen())

    cyc: Any
    stb: Any
    we: Any
    adr: Any
    sel: Any
    dat_w: Any
    dat_r: Any
    ack: Any
    err: Any
    stall: Any

    async def _listen(self) -> None:
        """Collects answers; in classic cycles they come while ``stb`` is 1, in pipelined ones after a request was taken."""
        while True:
            await RisingEdge(self.clk)
            ack, err = int(self.ack.value), int(self.err.value)
            taken = int(self.cyc.value) and int(self.stb.value)
            if ack or err:
                assert not (ack and err), "ack and err at once"
                assert int(self.cyc.value), "an answer outside of a cycle"
                assert self.open if self.pipelined else taken, "an answer without a request"
                self.open -= int(self.pipelined)
                self.answers.append((bool(err), int(self.dat_r.value)))
            if self.pipelined and taken and not int(self.stall.value):
                self.open += 1

    async def _pause(self) -> None:
        while self.chance.random() < self.idle:
            self.stb.value = 0
            await RisingEdge(self.clk)

    def _offer(self, phase: Phase) -> None:
        self.cyc.value, self.stb.value = 1, 1
        self.adr.value, self.sel.value = phase.address, phase.select
        self.we.value, self.dat_w.value = int(phase.data is not None), phase.data or 0

    async def cycle(self, phases: Sequence[Phase]) -> list[tuple[bool, int]]:
        """All phases in one bus cycle; for each whether ``err`` ended it, and the data read."""
        first = len(self.answers)
        for phase in phases:
            await self._pause()
            self._offer(phase)
            await RisingEdge(self.clk)
            if self.pipelined:
                while int(self.stall.value):
                    await RisingEdge(self.clk)
            else:
                while not (int(self.ack.value) or int(self.err.value)):
                    await RisingEdge(self.clk)
        self.stb.value = 0
        while len(self.answers) < first + len(phases):
            await RisingEdge(self.clk)
        self.cyc.value = 0
        await RisingEdge(self.clk)
        return self.answers[first:]

    async def give_up(self, phase: Phase, cycles: int) -> None:
        """Offer a phase and end the bus cycle after ``cycles``, answered or not."""
        self._offer(phase)
        for number in range(cycles):
            await RisingEdge(self.clk)
            taken = not int(self.stall.value) if self.pipelined else int(self.ack.value) or int(self.err.value)
            if taken or number == cycles - 1:
                self.stb.value = 0
        self.cyc.value, self.stb.value = 0, 0
        await RisingEdge(self.clk)
        self.open = 0
