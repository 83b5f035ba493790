"""A monitor of one valid-ready channel: what was offered stays until it is taken; transfers are counted."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

__all__ = ["ChannelMonitor", "follow"]


class ChannelMonitor:
    """Watches the channel of ``valid`` and ``ready`` for the whole run.

    Fails when ``valid`` falls, or one of ``payload`` changes, before the transfer.

    Attributes
    ----------
    transfers : int
    """

    def __init__(self, dut: Any, valid: str, ready: str, payload: tuple[str, ...]) -> None:
        self.clk, self.rst = dut.clk, dut.rst
        self.name = valid
        self.valid, self.ready = getattr(dut, valid), getattr(dut, ready)
        self.payload = [getattr(dut, name) for name in payload]
        self.transfers = 0
        self.task = cocotb.start_soon(self._run())

    async def _run(self) -> None:
        offered: list[int] | None = None
        while True:
            await RisingEdge(self.clk)
            if int(self.rst.value):
                offered = None
                continue
            shown = [int(handle.value) for handle in self.payload] if int(self.valid.value) else None
            assert offered is None or shown == offered, f"{self.name}: {offered} was withdrawn, now {shown}"
            taken = shown is not None and bool(int(self.ready.value))
            offered = None if taken else shown
            self.transfers += int(taken)


async def follow(clk: Any, requests: tuple[ChannelMonitor, ...], answers: ChannelMonitor) -> None:
    """Fail when there are more answers than requests, for the whole run."""
    while True:
        await RisingEdge(clk)
        assert answers.transfers <= min(monitor.transfers for monitor in requests), f"{answers.name} without a request"
