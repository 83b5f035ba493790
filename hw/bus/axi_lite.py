"""AXI4-Lite: its signals, and a slave in front of the core port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..control.register_map import Status
from .address_window import OFFSET_BITS, AddressWindow
from .core_port import REQUEST, CorePort

__all__ = ["DECERR", "OKAY", "SLVERR", "AxiLite", "AxiLiteSignature"]

OKAY, SLVERR, DECERR = 0b00, 0b10, 0b11
"""Codes of ``bresp`` and ``rresp``."""


class AxiLiteSignature(wiring.Signature):
    """The five channels of AXI4-Lite with 32 bits of data, seen from the master; names as in the standard, in lower case.

    Parameters
    ----------
    address_bits : int
        Bits of ``awaddr`` and ``araddr``, which count bytes.
    """

    def __init__(self, address_bits: int) -> None:
        self.address_bits = address_bits
        super().__init__(
            {
                "awaddr": Out(address_bits),
                "awprot": Out(3),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(address_bits),
                "arprot": Out(3),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(32),
                "rresp": In(2),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AxiLiteSignature) and self.address_bits == other.address_bits

    def __repr__(self) -> str:
        return f"AxiLiteSignature({self.address_bits})"


class AxiLite(wiring.Component):
    """AXI4-Lite slave: each read or write is one access to the core port; reads and writes take turns.

    ========================================== =========================================================
    access                                     answer
    ========================================== =========================================================
    done by the core                           OKAY
    ``Status.ADDRESS``: nothing is there       DECERR
    any other status: the core refuses it      SLVERR
    address not a multiple of 4                SLVERR; the core is not asked
    write with some of its strobes             SLVERR; the core is not asked: it has whole words only
    write without any strobe                   OKAY; the core is not asked
    ========================================== =========================================================

    Data of a read that is not OKAY are 0. ``awprot`` and ``arprot`` have no effect.

    Parameters
    ----------
    offset_bits : int, 4..24
        Of the :class:`AddressWindow`; ``bus`` has ``offset_bits + 6`` bits of address.

    Members
    -------
    bus : In(AxiLiteSignature)
    core : Out(CorePort)

    **Timing.** ``awready`` and ``wready`` come together, in the cycle after both are valid, and ``arready`` in the cycle after
    ``arvalid``, if nothing else is going on; the answer is valid ``latency`` cycles after its request became valid, and
    what the core takes (3 cycles for a register, 12 at most for features of an idle engine). One access at a time: the next
    is looked at in the cycle after the answer was taken. No path leads from an input to an output.

    **Reset.** Idle; an access on its way gets no answer.

    Raises UserError for ``offset_bits`` out of range.
    """

    bus: Any
    core: Any

    latency = 3

    def __init__(self, offset_bits: int = OFFSET_BITS) -> None:
        self.window = AddressWindow(offset_bits)
        super().__init__({"bus": In(AxiLiteSignature(self.window.byte_bits)), "core": Out(CorePort())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, core = self.bus, self.core
        request = Signal(REQUEST, reset_less=True)
        response = Signal(2, reset_less=True)
        value = Signal(32, reset_less=True)
        write_next = Signal()  # whose turn it is when both want one
        m.d.comb += [core.request.p.eq(request), bus.bresp.eq(response), bus.rresp.eq(response), bus.rdata.eq(value)]

        def take(address: Value, *, write: bool) -> None:
            m.d.sync += [
                request.address.eq(self.window.core_address(address[2:])),
                request.write.eq(int(write)),
                value.eq(0),
                response.eq(SLVERR),
            ]
            whole = bus.wstrb.all() if write else Const(1)
            with m.If((address[:2] == 0) & whole):
                m.next = "REQUEST"
            with m.Else():
                m.next = "ANSWER"
            if write:
                m.d.sync += request.data.eq(bus.wdata)
                with m.If((address[:2] == 0) & ~bus.wstrb.any()):
                    m.d.sync += response.eq(OKAY)

        with m.FSM():
            with m.State("IDLE"):
                write_waits = bus.awvalid & bus.wvalid
                with m.If(write_waits & (write_next | ~bus.arvalid)):
                    m.next = "WRITE"
                with m.Elif(bus.arvalid):
                    m.next = "READ"

            with m.State("WRITE"):
                m.d.comb += [bus.awready.eq(1), bus.wready.eq(1)]
                m.d.sync += write_next.eq(0)
                take(bus.awaddr, write=True)

            with m.State("READ"):
                m.d.comb += bus.arready.eq(1)
                m.d.sync += write_next.eq(1)
                take(bus.araddr, write=False)

            with m.State("REQUEST"):
                m.d.comb += core.request.valid.eq(1)
                with m.If(core.request.ready):
                    m.next = "RESPONSE"

            with m.State("RESPONSE"):
                m.d.comb += core.response.ready.eq(1)
                status = core.response.p.status
                m.d.sync += [
                    value.eq(core.response.p.data),
                    response.eq(Mux(status == Status.OK, OKAY, Mux(status == Status.ADDRESS, DECERR, SLVERR))),
                ]
                with m.If(core.response.valid):
                    m.next = "ANSWER"

            with m.State("ANSWER"):
                m.d.comb += [bus.bvalid.eq(request.write), bus.rvalid.eq(~request.write)]
                with m.If(Mux(request.write, bus.bready, bus.rready)):
                    m.next = "IDLE"
        return m
