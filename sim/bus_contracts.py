"""What holds of a bus and its slave, as assertions for proofs: each request has exactly one answer, what is offered stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Elaboratable, Module, Mux, Signal, Value

from .contracts import held

__all__ = ["BusContract", "Channel", "axi_lite_channels", "axi_stream_channel"]


@dataclass(frozen=True)
class Channel:
    """A valid-ready channel: what :func:`macaw.sim.contracts.held` needs of a stream."""

    payload: Value
    valid: Value
    ready: Value

    @classmethod
    def of(cls, stream: Any) -> Channel:
        """A stream of Amaranth's."""
        return cls(Value.cast(stream.payload), stream.valid, stream.ready)

    @property
    def transfer(self) -> Value:
        """Whether something passes in this cycle."""
        return self.valid & self.ready


def axi_lite_channels(bus: Any) -> dict[str, Channel]:
    """aw, w, b, ar, r."""
    payloads = {"aw": [bus.awaddr], "w": [bus.wdata, bus.wstrb], "b": [bus.bresp], "ar": [bus.araddr], "r": [bus.rdata, bus.rresp]}
    return {
        name: Channel(Cat(*parts), getattr(bus, f"{name}valid"), getattr(bus, f"{name}ready")) for name, parts in payloads.items()
    }


def axi_stream_channel(stream: Any) -> Channel:
    """``tdata``, ``tlast`` and, if there is one, ``tuser``."""
    return Channel(Cat(stream.tdata, stream.tlast, getattr(stream, "tuser", ())), stream.tvalid, stream.tready)


class BusContract(Elaboratable):
    """``component`` offers without withdrawing and answers each request once, if its neighbours do the same.

    Parameters
    ----------
    component : Elaboratable
    gives, takes : channels of it
        Those that it must hold, and those that it may expect to be held.
    answers : sequence of (request, answer)
        Transfers in one cycle (1 bit each). Of each pair at most one request is open, and only an open request is
        answered; two answers of each can happen.
    core : the component's CorePort, of which the core takes one request at a time and answers it

    Attributes
    ----------
    assumed, rules, covers : list of 1-bit values
        More to be assumed, to be shown, and to be reached; empty at first.
    pending : list of Signal
        For each pair whether a request is open.
    """

    def __init__(
        self, component: Any, *, gives: Sequence[Channel], takes: Sequence[Channel], answers: Sequence[tuple[Value, Value]], core: Any
    ) -> None:
        self.component = component
        self.core = core
        asked = core.request.p
        request = Channel(
            Cat(asked.address, asked.write, Mux(asked.write, asked.data, 0)), core.request.valid, core.request.ready
        )  # a read has no data
        response = Channel.of(core.response)
        self.gives = [*gives, request]
        self.takes = [*takes, response]
        self.answers = answers
        self.pending = [Signal(name=f"pending_{number}") for number in range(len(answers))]
        self.open = Signal()
        self.assumed: list[Value] = []
        self.rules: list[Value] = []
        self.covers: list[Value] = []
        self._request, self._response = request, response

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.component = self.component
        for number, channel in enumerate(self.takes):
            m.d.comb += Assume(held(m, channel, f"taken_{number}"))
        for number, channel in enumerate(self.gives):
            m.d.comb += Assert(held(m, channel, f"given_{number}"))
        # The core: one request at a time, an answer to it and no other.
        m.d.sync += self.open.eq((self.open | self._request.transfer) & ~self._response.transfer)
        m.d.comb += [Assume(~self._response.valid | self.open), Assume(~self._request.ready | ~self.open)]
        m.d.comb += Assert(~self._request.valid | ~self.open)
        for number, (asked, answered) in enumerate(self.answers):
            pending, times = self.pending[number], Signal(2, name=f"times_{number}")
            m.d.sync += pending.eq((pending | asked) & ~answered)
            m.d.comb += [Assert(~asked | ~pending), Assert(~answered | pending)]
            with m.If(answered & (times < 2)):
                m.d.sync += times.eq(times + 1)
            m.d.comb += Cover(times == 2)
        m.d.comb += [Assume(value) for value in self.assumed]
        m.d.comb += [Assert(value) for value in self.rules]
        m.d.comb += [Cover(value) for value in self.covers]
        return m
