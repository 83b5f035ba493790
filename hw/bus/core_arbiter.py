"""Two masters of the core port, taking turns."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .core_port import CorePort

__all__ = ["CoreArbiter"]


class CoreArbiter(wiring.Component):
    """Passes one request at a time from one of two masters to the core, and its response back to it.

    Members
    -------
    ports : In(CorePort) array of 2
    core : Out(CorePort)

    **Timing.** A request reaches the core one cycle after it is offered, if the core is free. Who was served last waits if
    the other one asks, too, so a master waits for one access of the other at most. Payloads and ``ready`` of requests and
    responses pass through.

    **Reset.** No access; a response on its way reaches nobody, so the core must be reset, too.
    """

    ports: Any
    core: Any

    latency = 1

    def __init__(self) -> None:
        super().__init__({"ports": In(CorePort()).array(2), "core": Out(CorePort())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core = self.core
        owner = Signal()
        first, second = (port.request.valid for port in self.ports)

        def connected(part: str) -> None:
            """Request or response of the owner."""
            for number, port in enumerate(self.ports):
                with m.If(owner == number):
                    if part == "request":
                        m.d.comb += [core.request.valid.eq(1), port.request.ready.eq(core.request.ready)]
                    else:
                        m.d.comb += [
                            port.response.valid.eq(core.response.valid),
                            core.response.ready.eq(port.response.ready),
                        ]

        m.d.comb += core.request.p.eq(self.ports[0].request.p)
        with m.If(owner):
            m.d.comb += core.request.p.eq(self.ports[1].request.p)
        for port in self.ports:
            m.d.comb += port.response.p.eq(core.response.p)

        with m.FSM():
            with m.State("FREE"):
                with m.If(first & (owner | ~second)):
                    m.d.sync += owner.eq(0)
                    m.next = "REQUEST"
                with m.Elif(second):
                    m.d.sync += owner.eq(1)
                    m.next = "REQUEST"

            with m.State("REQUEST"):
                connected("request")
                with m.If(core.request.ready):
                    m.next = "RESPONSE"

            with m.State("RESPONSE"):
                connected("response")
                with m.If(core.response.valid & core.response.ready):
                    m.next = "FREE"
        return m
