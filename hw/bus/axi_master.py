"""AXI4 master: the port to an external memory as bursts on a system's bus."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError
from ..external.memory_port import ADDRESS_BITS, MOST_WORDS, MemoryPort

__all__ = ["Axi4Signature", "AxiMaster"]

_WINDOW_BITS = ADDRESS_BITS + 2
_INCREMENTING, _FOUR_BYTES, _MODIFIABLE = 0b01, 0b010, 0b0011


class Axi4Signature(wiring.Signature):
    """The five channels of AXI4 with 32 bits of address and data and one identifier, seen from the master; names as in the
    standard, in lower case."""

    def __init__(self) -> None:
        members: dict[str, Any] = {}
        for letters in ("aw", "ar"):
            members |= {
                f"{letters}id": Out(1), f"{letters}addr": Out(32), f"{letters}len": Out(8), f"{letters}size": Out(3),
                f"{letters}burst": Out(2), f"{letters}cache": Out(4), f"{letters}prot": Out(3), f"{letters}valid": Out(1),
                f"{letters}ready": In(1),
            }  # fmt: skip
        members |= {"wdata": Out(32), "wstrb": Out(4), "wlast": Out(1), "wvalid": Out(1), "wready": In(1)}
        members |= {"bid": In(1), "bresp": In(2), "bvalid": In(1), "bready": Out(1)}
        members |= {"rid": In(1), "rdata": In(32), "rresp": In(2), "rlast": In(1), "rvalid": In(1), "rready": Out(1)}
        super().__init__(members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axi4Signature)

    def __repr__(self) -> str:
        return "Axi4Signature()"


class AxiMaster(wiring.Component):
    """Does the bursts of a memory port on AXI4: each command is one incrementing burst of whole 32-bit words.

    A command is at most 64 words and crosses no multiple of 256 bytes (see MemoryPort), so no burst crosses 4 KiB. Bursts
    that read may follow each other before their data have come; one that writes waits until all have, and is answered
    before the next burst.

    Parameters
    ----------
    base : int, 0..2**32 - 1, a multiple of 2**26
        Address in bytes of the port's word 0.
    outstanding : int, 1..16
        Bursts that read whose data have not all come.

    Members
    -------
    port : In(MemoryPort())
        ``restart`` has no effect: the bus's cycles are not this component's to know. ``ready`` is 1.
    bus : Out(Axi4Signature())
    error : Out(1)
        An answer of the bus was SLVERR or DECERR since reset. The word that it came with reads as ones: who reads finds it by
        its checksum.

    **Timing.** A command that reads is on ``ar`` in the cycle in which it is valid, and a word on ``port.read`` in which it is
    on ``r``; ``rready`` is always 1. Every offer on ``aw``, ``w`` and ``ar`` stays until it is taken; ``wvalid`` does not
    wait for ``awready``.

    **Reset.** No burst; answers on their way must be reset, too.

    Raises UserError for a parameter out of range.
    """

    port: Any
    bus: Any
    error: Signal

    def __init__(self, base: int = 0, *, outstanding: int = 4) -> None:
        if not isinstance(base, int) or not 0 <= base < 1 << 32 or base % (1 << _WINDOW_BITS):
            raise UserError(f"The base of an AXI master must be a multiple of {1 << _WINDOW_BITS:#x} below 2**32, not {base!r}.")
        if not isinstance(outstanding, int) or not 1 <= outstanding <= 16:
            raise UserError(f"The outstanding bursts of an AXI master must be from 1 to 16, not {outstanding!r}.")
        self.base = base
        self.outstanding = outstanding
        super().__init__({"port": In(MemoryPort()), "bus": Out(Axi4Signature()), "error": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        port, bus = self.port, self.bus
        command = port.command
        place = Cat(Const(0, 2), command.p.address, Const(self.base >> _WINDOW_BITS, 32 - _WINDOW_BITS))
        for letters in ("aw", "ar"):
            m.d.comb += [
                getattr(bus, f"{letters}addr").eq(place),
                getattr(bus, f"{letters}len").eq(command.p.words_last),
                getattr(bus, f"{letters}size").eq(_FOUR_BYTES),
                getattr(bus, f"{letters}burst").eq(_INCREMENTING),
                getattr(bus, f"{letters}cache").eq(_MODIFIABLE),
            ]
        left = Signal(range(MOST_WORDS), reset_less=True)
        placed, given = Signal(), Signal()  # the address of a burst that writes was taken; all its words were
        m.d.comb += [
            bus.wdata.eq(port.write.payload),
            bus.wstrb.eq(0xF),
            bus.wlast.eq(left == 0),
            bus.rready.eq(1),
            port.read.payload.eq(bus.rdata | bus.rresp[1].replicate(32)),
            port.read.valid.eq(bus.rvalid),
            port.ready.eq(1),
        ]
        reading = Signal(range(self.outstanding + 1))
        ended = bus.rvalid & bus.rlast
        begun = bus.arvalid & bus.arready
        m.d.sync += reading.eq(reading + begun - ended)
        with m.If((bus.rvalid & bus.rresp[1]) | (bus.bvalid & bus.bready & bus.bresp[1])):
            m.d.sync += self.error.eq(1)

        with m.FSM():
            with m.State("READ"):
                m.d.comb += [
                    bus.arvalid.eq(command.valid & ~command.p.write & (reading != self.outstanding)),
                    command.ready.eq(begun),
                ]
                m.d.sync += [left.eq(command.p.words_last), placed.eq(0), given.eq(0)]
                with m.If(command.valid & command.p.write & (reading == 0)):
                    m.next = "WRITE"

            with m.State("WRITE"):
                m.d.comb += [
                    bus.awvalid.eq(~placed),
                    bus.wvalid.eq(port.write.valid & ~given),
                    port.write.ready.eq(bus.wready & ~given),
                    bus.bready.eq(1),
                    command.ready.eq(bus.bvalid),
                ]
                with m.If(bus.awready):
                    m.d.sync += placed.eq(1)
                with m.If(bus.wvalid & bus.wready):
                    m.d.sync += [left.eq(left - 1), given.eq(bus.wlast)]
                with m.If(bus.bvalid):
                    m.next = "READ"
        return m
