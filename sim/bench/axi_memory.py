"""A memory on AXI4 with the timing of :class:`~macaw.sim.cost.axi_memory.AxiMemory`, and with faults."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from ..cost.axi_memory import AxiMemory

__all__ = ["AxiResponder"]

_DECERR = 3
_DOZE = 64
"""Cycles between two looks of a memory that does nothing."""


@dataclass
class _Read:
    address: int
    words: int
    earliest: int
    given: int = 0


@dataclass
class AxiResponder:
    """Answers the master ``prefix`` of ``dut``; an address outside of ``words`` from ``base`` on gives DECERR. What is written
    is taken at once.

    ``clock``: the clock's signal. ``words`` may be changed at any time, as may the faults: ``deaf``, addresses are not taken; ``mute``, they
    are, but no word comes; ``errors``, the answer that goes with a word, by its place. ``misplaced`` counts addresses that are
    no multiples of 4 or bursts across 4 KiB, ``outside`` words that are not there.
    """

    dut: Any
    prefix: str
    clock: Any
    timing: AxiMemory
    base: int
    words: list[int]
    deaf: bool = False
    mute: bool = False
    errors: dict[int, int] = field(default_factory=dict)
    misplaced: int = 0
    outside: int = 0

    def __post_init__(self) -> None:
        self._queue: deque[_Read] = deque()
        self._now = 0  # cycles behind the beginning
        self._may_begin = 0
        self._target = -1  # the place of the next word that is written
        for name in ("awready", "wready", "bvalid", "bid", "bresp", "arready", "rvalid", "rid", "rdata", "rresp", "rlast"):
            self._port(name).value = 0
        self._port("awready").value = self._port("wready").value = 1
        cocotb.start_soon(self._run())
        cocotb.start_soon(self._take())

    def _port(self, name: str) -> Any:
        return getattr(self.dut, f"{self.prefix}_{name}")

    async def _run(self) -> None:
        """Reads: each turn ends a cycle and sets what the next one shows."""
        ready, offered = 0, None
        ports = {name: self._port(name) for name in ("arready", "arvalid", "araddr", "arlen", "rvalid", "rdata", "rresp", "rlast", "rready")}
        while True:
            await RisingEdge(self.clock)
            if ready and int(ports["arvalid"].value):
                address, words = int(ports["araddr"].value), int(ports["arlen"].value) + 1
                self.misplaced += address % 4 != 0 or address // 4096 != (address + 4 * words - 1) // 4096
                self._queue.append(_Read(address, words, self._now + self.timing.latency))
            if offered is not None and int(ports["rready"].value):
                offered.given += 1
                self._may_begin = self._now + self.timing.interval
                if offered.given == offered.words:
                    self._queue.popleft()
                    self._may_begin += self.timing.gap
            self._now += 1
            ready = int(not self.deaf and len(self._queue) < self.timing.ahead)
            head = self._queue[0] if self._queue else None
            offered = head if head and not self.mute and self._now >= max(head.earliest, self._may_begin) else None
            ports["arready"].value = ready
            ports["rvalid"].value = int(offered is not None)
            if not ready and (self.deaf or self.mute):
                await ClockCycles(self.clock, _DOZE)
                self._now += _DOZE
            if offered is not None:
                place = (offered.address - self.base) // 4 + offered.given
                inside = 0 <= place < len(self.words)
                self.outside += not inside
                ports["rdata"].value = self.words[place] if inside else 0
                ports["rresp"].value = self.errors.get(place, 0) if inside else _DECERR
                ports["rlast"].value = int(offered.given == offered.words - 1)

    async def _take(self) -> None:
        """Writes: the master gives the words of one burst with its address or behind it."""
        answers: list[int] = []  # the turns behind which an answer is shown
        ports = {name: self._port(name) for name in ("awvalid", "awaddr", "wvalid", "wdata", "wlast")}
        turn = 0
        while True:
            await RisingEdge(self.clock)
            turn += 1
            if int(ports["awvalid"].value):
                self._target = (int(ports["awaddr"].value) - self.base) // 4
            if int(ports["wvalid"].value):
                self.words[self._target] = int(ports["wdata"].value)
                self._target += 1
                if int(ports["wlast"].value):
                    answers.append(turn + self.timing.response - 1)
            self._port("bvalid").value = int(turn in answers)
