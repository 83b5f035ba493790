"""SPI slave: bytes from and to a master, sampled with the clock of the design."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["IDLE_BYTE", "SpiSlave"]

IDLE_BYTE = 0x00
"""What the slave sends when it has nothing to send, and what a master sends to listen."""

_STAGES = 2


class SpiSlave(wiring.Component):
    """Mode 0 (clock low at rest, both sides sample at the rising edge), most significant bit first.

    The pins are sampled with the design's clock, so there is no second clock domain. A level of ``sck`` must last more than
    one cycle, and ``cipo`` may change up to 3 cycles after a rising edge: a clock of at most ``1 / cycles_a_bit`` of the
    design's, with equal halves, leaves 2 cycles for the pads and the wire. It changes 1 cycle after the edge at the
    earliest, which is the master's hold time.

    Idle bytes (0x00) with which a transfer begins are not delivered, so that a master may listen without filling a queue.
    After the first other byte all are delivered up to the end of the transfer. A byte in which ``cs`` falls is not
    delivered, and what was sent in it is lost.

    Members
    -------
    cs : In(1)
        Selected; asynchronous. It must be high 4 cycles before the first edge, and low as long between transfers.
    sck, copi : In(1)
        Asynchronous; ``copi`` must be stable for one cycle before and two after the rising edge.
    cipo : Out(1)
        From a register; the present bit of the byte to send, whether selected or not.
    drive : Out(1)
        ``cipo`` shall drive the pin.
    o : Out(stream of 8 bits)
        Bytes from the master. A byte waits for ``o.ready`` until the next byte is complete; the next byte is lost then.
    i : In(stream of 8 bits)
        Bytes to the master. One is taken while ``cs`` is low and none waits to be sent, and with the last bit of each byte;
        without one there the next byte is IDLE_BYTE. So bytes follow each other if the next one is offered 8 bits later.
    error : Out(1)
        High for one cycle when a byte from the master is lost because the byte before has not been taken.

    **Timing**: ``o.valid`` rises ``latency`` cycles after the cycle in which the last rising edge is first seen at ``sck``.

    **Reset**: a byte on its way is dropped; nothing more is delivered until the next transfer begins.
    """

    cs: Signal
    sck: Signal
    copi: Signal
    cipo: Signal
    drive: Signal
    o: stream.Interface
    i: stream.Interface
    error: Signal

    cycles_a_bit = 5
    """Least cycles of the design's clock in a period of the SPI clock."""

    latency = _STAGES + 1

    def __init__(self) -> None:
        super().__init__(
            {
                "cs": In(1),
                "sck": In(1),
                "copi": In(1),
                "cipo": Out(1),
                "drive": Out(1),
                "o": Out(stream.Signature(8)),
                "i": In(stream.Signature(8)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        selected, clock, data = Signal(), Signal(), Signal()
        for name, pin, level in (("cs", self.cs, selected), ("sck", self.sck, clock), ("copi", self.copi, data)):
            m.submodules[name] = cdc.FFSynchronizer(pin, level, stages=_STAGES)
        before = Signal(init=1)
        joined = Signal()  # selected after reset
        edge = Signal()
        m.d.sync += before.eq(clock)
        m.d.comb += edge.eq(clock & ~before & selected & joined)

        # The bits to send leave at the top, the master's enter at the bottom.
        shift = Signal(8)
        bits = Signal(3)
        loaded = Signal()  # nothing of the byte to send has been sent
        heard = Signal()  # a byte other than the idle one
        byte = Signal(8)
        last = Signal()
        m.d.comb += [
            byte.eq(Cat(data, shift[:7])),
            last.eq(edge & (bits == 7)),
            self.cipo.eq(shift[7]),
            self.drive.eq(selected),
            self.i.ready.eq(last | (~selected & ~loaded & (bits == 0))),
        ]
        m.d.sync += self.error.eq(0)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(edge):
            m.d.sync += [bits.eq(bits + 1), shift.eq(byte), loaded.eq(0)]
        with m.If(~selected):
            m.d.sync += [bits.eq(0), heard.eq(0), joined.eq(1)]
            with m.If(bits != 0):
                m.d.sync += shift.eq(IDLE_BYTE)
        with m.If(self.i.ready):
            m.d.sync += [shift.eq(Mux(self.i.valid, self.i.payload, IDLE_BYTE)), loaded.eq(self.i.valid)]
        with m.If(last & ((byte != IDLE_BYTE) | heard)):
            m.d.sync += heard.eq(1)
            with m.If(self.o.valid & ~self.o.ready):
                m.d.sync += self.error.eq(1)
            with m.Else():
                m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(byte)]
        return m
