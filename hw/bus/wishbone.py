"""Wishbone B4: its signals, and a slave in front of the core port, classic or pipelined."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..control.register_map import Status
from .address_window import OFFSET_BITS, AddressWindow
from .core_port import REQUEST, CorePort

__all__ = ["Wishbone", "WishboneSignature"]


class WishboneSignature(wiring.Signature):
    """Wishbone B4 with 32 bits of data and granules of 8, seen from the master; ``dat_w`` goes to the slave, ``dat_r`` comes
    from it, the other names are the standard's.

    Parameters
    ----------
    address_bits : int
        Bits of ``adr``, which counts words: the standard's ADR(n..2).
    pipelined : bool
        With ``stall``.
    """

    def __init__(self, address_bits: int, *, pipelined: bool) -> None:
        self.address_bits = address_bits
        self.pipelined = pipelined
        members = {
            "cyc": Out(1),
            "stb": Out(1),
            "we": Out(1),
            "adr": Out(address_bits),
            "sel": Out(4),
            "dat_w": Out(32),
            "dat_r": In(32),
            "ack": In(1),
            "err": In(1),
        }
        super().__init__(members | ({"stall": In(1)} if pipelined else {}))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, WishboneSignature)
            and (self.address_bits, self.pipelined) == (other.address_bits, other.pipelined)
        )

    def __repr__(self) -> str:
        return f"WishboneSignature({self.address_bits}, pipelined={self.pipelined})"


class Wishbone(wiring.Component):
    """Wishbone B4 slave: each phase is one access to the core port, ended by ``ack`` or ``err``.

    =========================================== ==========================================================
    access                                      end
    =========================================== ==========================================================
    done by the core                            ``ack``
    any status but OK: the core refuses it      ``err``
    write with some of ``sel``                  ``err``; the core is not asked: it has whole words only
    write with ``sel`` 0                        ``ack``; the core is not asked
    =========================================== ==========================================================

    A read gives the whole word whatever ``sel`` says; ``dat_r`` is 0 with ``err``. A master that lowers ``cyc`` before the end
    gets no answer; what it had asked of the core is done nevertheless.

    Parameters
    ----------
    offset_bits : int, 4..24
        Of the :class:`AddressWindow`; ``bus`` has ``offset_bits + 4`` bits of address.
    pipelined : bool
        Pipelined cycles, with ``stall``; classic ones without.

    Members
    -------
    bus : In(WishboneSignature)
    core : Out(CorePort)

    **Timing.** ``ack`` or ``err`` comes ``latency`` cycles after ``stb``, and what the core takes (3 cycles for a register, 12
    at most for features of an idle engine), for one cycle. One access at a time: ``stall`` is 1 from the cycle after an access
    was taken until its end; the next one is taken in the cycle after. No path leads from an input to an output but that
    from ``cyc`` to ``ack`` and ``err``.

    **Reset.** Idle; an access on its way gets no end.

    Raises UserError for ``offset_bits`` out of range.
    """

    bus: Any
    core: Any

    latency = 2

    def __init__(self, offset_bits: int = OFFSET_BITS, *, pipelined: bool = False) -> None:
        self.window = AddressWindow(offset_bits)
        self.pipelined = pipelined
        super().__init__(
            {"bus": In(WishboneSignature(self.window.word_bits, pipelined=pipelined)), "core": Out(CorePort())}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, core = self.bus, self.core
        request = Signal(REQUEST, reset_less=True)
        value = Signal(32, reset_less=True)
        refused = Signal(reset_less=True)
        given_up = Signal()  # the master has lowered cyc: the end must not meet its next cycle
        m.d.comb += [core.request.p.eq(request), bus.dat_r.eq(value)]
        if self.pipelined:
            m.d.comb += bus.stall.eq(1)
        with m.If(~bus.cyc):
            m.d.sync += given_up.eq(1)

        with m.FSM():
            with m.State("IDLE"):
                if self.pipelined:
                    m.d.comb += bus.stall.eq(0)
                m.d.sync += [
                    request.address.eq(self.window.core_address(bus.adr)),
                    request.write.eq(bus.we),
                    request.data.eq(bus.dat_w),
                    value.eq(0),
                    refused.eq(bus.sel.any()),
                    given_up.eq(0),
                ]
                with m.If(bus.cyc & bus.stb):
                    m.next = "REQUEST"
                    with m.If(bus.we & ~bus.sel.all()):
                        m.next = "END"

            with m.State("REQUEST"):
                m.d.comb += core.request.valid.eq(1)
                with m.If(core.request.ready):
                    m.next = "RESPONSE"

            with m.State("RESPONSE"):
                m.d.comb += core.response.ready.eq(1)
                m.d.sync += [value.eq(core.response.p.data), refused.eq(core.response.p.status != Status.OK)]
                with m.If(core.response.valid):
                    m.next = "END"

            with m.State("END"):
                present = bus.cyc & ~given_up
                m.d.comb += [bus.ack.eq(present & ~refused), bus.err.eq(present & refused)]
                m.next = "IDLE"
        return m
