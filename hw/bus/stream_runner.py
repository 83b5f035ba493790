"""One inference for each packet of a stream: words into the feature buffer, start, words out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..control.register_map import (
    CoreError,
    Region,
    Register,
    Status,
    StatusBit,
    StreamOutcome,
    region_address,
)
from .axi_stream_signature import AxiStreamSignature
from .core_port import CorePort

if TYPE_CHECKING:  # Amaranth's enumerations as a type checker understands them
    import enum
else:
    from amaranth.lib import enum

__all__ = ["StreamRunner"]


class _Access(enum.Enum, shape=2):
    """What the runner asks of the core."""

    ASK = 0  # is the engine idle?
    STORE = 1  # a word of the packet
    START = 2
    LOAD = 3  # a word of the answer


class StreamRunner(wiring.Component):
    """See :class:`macaw.hw.bus.axi_stream.AxiStream`, whose packets it handles.

    Parameters
    ----------
    offset_bits : int, 4..24

    Members
    -------
    i : In(AxiStreamSignature()), o : Out(AxiStreamSignature(user=True))
    core : Out(CorePort)
    input_first, input_last, output_first, output_last : In(offset_bits)
        Offsets in FEATURES of the first and the last word of packet and answer; constant while ``busy``.
    busy : Out(1)
        A packet is on its way.
    outcome : Out(8)
        ``StreamOutcome`` of the last packet that did not end with its answer's last word; DONE after one that did.
    packets : Out(16)
        Packets answered, modulo 2**16.

    **Timing.** A packet is looked at 1 cycle after its first word is valid and waits for the engine; see AxiStream.

    **Reset.** No packet.
    """

    i: Any
    o: Any
    core: Any
    input_first: Signal
    input_last: Signal
    output_first: Signal
    output_last: Signal
    busy: Signal
    outcome: Signal
    packets: Signal

    def __init__(self, offset_bits: int) -> None:
        self.offset_bits = offset_bits
        super().__init__(
            {
                "i": In(AxiStreamSignature()),
                "o": Out(AxiStreamSignature(user=True)),
                "core": Out(CorePort()),
                "input_first": In(offset_bits),
                "input_last": In(offset_bits),
                "output_first": In(offset_bits),
                "output_last": In(offset_bits),
                "busy": Out(1),
                "outcome": Out(8),
                "packets": Out(16),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        i, o = self.i, self.o
        request, response = self.core.request, self.core.response
        access = Signal(_Access, reset_less=True)
        offset = Signal(self.offset_bits, reset_less=True)
        word = Signal(32, reset_less=True)
        taken = Signal(reset_less=True)  # all of the packet
        started = Signal(reset_less=True)
        failed = Signal(reset_less=True)
        status = Signal(Status, reset_less=True)
        error = Signal(8, reset_less=True)
        finished = Signal()
        m.d.comb += [
            finished.eq(offset == Mux(access == _Access.LOAD, self.output_last, self.input_last)),
            o.tdata.eq(Mux(failed, Cat(self.outcome, status, Const(0, 4), error, Const(0, 8)), word)),
            o.tuser.eq(failed),
            o.tlast.eq(failed | finished),
            request.p.address.eq(region_address(Region.FEATURES, 0) | offset),
            request.p.write.eq((access == _Access.STORE) | (access == _Access.START)),
            request.p.data.eq(Mux(access == _Access.START, 1, i.tdata)),
        ]
        with m.If(access == _Access.ASK):
            m.d.comb += request.p.address.eq(region_address(Region.REGISTERS, Register.STATUS.value))
        with m.If(access == _Access.START):
            m.d.comb += request.p.address.eq(region_address(Region.REGISTERS, Register.CONTROL.value))

        def ask(what: _Access) -> None:
            m.d.sync += access.eq(what)
            m.next = "REQUEST"

        def fail(why: StreamOutcome) -> None:
            """An answer of one word, once the packet's end has been seen."""
            m.d.sync += self.outcome.eq(why)
            m.next = "REPORT"
            with m.If(~taken):
                m.next = "DISCARD"

        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += [
                    taken.eq(0),
                    started.eq(0),
                    failed.eq(0),
                    status.eq(Status.OK),
                    error.eq(CoreError.NONE),
                    offset.eq(self.input_first),
                ]
                with m.If(i.tvalid):
                    ask(_Access.ASK)

            with m.State("TAKE"):
                m.d.comb += [request.valid.eq(i.tvalid), i.tready.eq(request.ready)]
                m.d.sync += taken.eq(i.tlast)
                with m.If(i.tvalid & request.ready):
                    m.next = "RESPONSE"

            with m.State("REQUEST"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.next = "RESPONSE"

            with m.State("RESPONSE"):
                m.d.comb += response.ready.eq(1)
                data = response.p.data
                m.d.sync += word.eq(data)
                with m.If(response.valid):
                    m.d.sync += status.eq(response.p.status)
                    with m.If(response.p.status != Status.OK):
                        fail(StreamOutcome.REFUSED)
                    with m.Else(), m.Switch(access):
                        with m.Case(_Access.ASK):
                            m.d.sync += error.eq(data[StatusBit.ERROR : StatusBit.ERROR + 8])
                            with m.If(data[StatusBit.BUSY]):
                                m.next = "REQUEST"
                            with m.Elif(~started):
                                m.d.sync += [access.eq(_Access.STORE), error.eq(CoreError.NONE)]
                                m.next = "TAKE"
                            with m.Elif(data[StatusBit.DONE] & (data[StatusBit.ERROR : StatusBit.ERROR + 8] == 0)):
                                m.d.sync += offset.eq(self.output_first)
                                ask(_Access.LOAD)
                            with m.Else():
                                fail(StreamOutcome.STOPPED)
                        with m.Case(_Access.STORE):
                            m.d.sync += offset.eq(offset + 1)
                            with m.If(taken & finished):
                                ask(_Access.START)
                            with m.Elif(taken):
                                fail(StreamOutcome.EARLY_LAST)
                            with m.Elif(finished):
                                fail(StreamOutcome.LATE_LAST)
                            with m.Else():
                                m.next = "TAKE"
                        with m.Case(_Access.START):
                            m.d.sync += started.eq(1)
                            ask(_Access.ASK)
                        with m.Case(_Access.LOAD):
                            m.next = "SEND"

            with m.State("DISCARD"):
                m.d.comb += i.tready.eq(1)
                with m.If(i.tvalid & i.tlast):
                    m.next = "REPORT"

            with m.State("REPORT"):
                m.d.sync += failed.eq(1)
                m.next = "SEND"

            with m.State("SEND"):
                m.d.comb += o.tvalid.eq(1)
                with m.If(o.tready):
                    m.d.sync += offset.eq(offset + 1)
                    m.next = "REQUEST"
                    with m.If(o.tlast):
                        m.d.sync += self.packets.eq(self.packets + 1)
                        m.next = "IDLE"
                        with m.If(~failed):
                            m.d.sync += self.outcome.eq(StreamOutcome.DONE)
        m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
        return m
