"""Asynchronous serial line, 8 data bits, no parity, 1 stop bit."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError

__all__ = ["UartReceiver", "UartTransmitter"]

_SYNCHRONIZER_STAGES = 2


def _require_divisor(divisor: int) -> int:
    if not isinstance(divisor, int) or isinstance(divisor, bool) or not 4 <= divisor <= 65536:
        raise UserError(
            f"The divisor of a serial line must be an integer from 4 to 65536 clock cycles a bit, not {divisor!r}; "
            "choose another baud rate or clock."
        )
    return divisor


class UartReceiver(wiring.Component):
    """Bytes from a serial line.

    The line is sampled in the middle of each bit. A low level that has gone by the middle of the start bit is not a
    byte. A byte with a low stop bit is dropped, and the line must be high again before the next start bit (a broken
    line gives one error, not a stream of bytes).

    Parameters
    ----------
    divisor : int, 4..65536
        Clock cycles a bit. The two ends may differ by 3 % for a divisor of 16 or more, by less for small divisors.

    Members
    -------
    rx : In(1)
        The line, asynchronous to the clock; high when idle.
    o : Out(stream of 8 bits)
        The bytes. A byte waits for ``o.ready`` until the next byte is complete; the next byte is lost then.
    error : Out(1)
        High for one cycle when a byte is lost: bad stop bit, or the byte before has not been taken.

    **Timing**: ``o.valid`` rises ``latency`` cycles after the falling edge of the start bit at ``rx``.

    **Reset**: a byte on its way is dropped.

    Raises UserError for a divisor out of range.
    """

    rx: Signal
    o: stream.Interface
    error: Signal

    def __init__(self, divisor: int) -> None:
        self.divisor = _require_divisor(divisor)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8)), "error": Out(1)})

    @property
    def latency(self) -> int:
        """Cycles from the falling edge at ``rx`` to ``o.valid``."""
        return _SYNCHRONIZER_STAGES + 1 + self.divisor // 2 + 9 * self.divisor

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = cdc.FFSynchronizer(self.rx, line, init=1, stages=_SYNCHRONIZER_STAGES)
        timer = Signal(range(self.divisor))
        # The start bit wanders from the top to bit 0 of the shift register; there it says that the byte is complete.
        shift = Signal(9)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        m.d.sync += self.error.eq(0)
        m.d.sync += timer.eq(timer - 1)
        with m.FSM():
            with m.State("idle"):
                m.d.sync += [timer.eq(self.divisor // 2 - 1), shift.eq(0x100)]
                with m.If(~line):
                    m.next = "start"
            with m.State("start"):
                with m.If(timer == 0):
                    m.d.sync += timer.eq(self.divisor - 1)
                    m.next = "data"
                    with m.If(line):
                        m.next = "idle"
            with m.State("data"):
                with m.If(timer == 0):
                    m.d.sync += timer.eq(self.divisor - 1)
                    with m.If(~shift[0]):
                        m.d.sync += shift.eq(Cat(shift[1:], line))
                    with m.Elif(~line):
                        m.d.sync += self.error.eq(1)
                        m.next = "break"
                    with m.Else():
                        m.next = "idle"
                        with m.If(self.o.valid & ~self.o.ready):
                            m.d.sync += self.error.eq(1)
                        with m.Else():
                            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(shift[1:])]
            with m.State("break"):
                with m.If(line):
                    m.next = "idle"
        return m


class UartTransmitter(wiring.Component):
    """Bytes to a serial line.

    Parameters
    ----------
    divisor : int, 4..65536
        Clock cycles a bit.

    Members
    -------
    i : In(stream of 8 bits)
        The bytes.
    tx : Out(1)
        The line, from a register; high when idle.

    **Timing**: the start bit begins ``latency`` cycles after a byte is taken; a byte takes ``10 * divisor`` cycles, and
    bytes follow each other without a gap if the next one is offered in time.

    **Reset**: ``tx`` is high; a byte on its way is cut off.

    Raises UserError for a divisor out of range.
    """

    i: stream.Interface
    tx: Signal

    latency = 1

    def __init__(self, divisor: int) -> None:
        self.divisor = _require_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(range(self.divisor))
        count = Signal(range(11))  # bits that have not ended yet
        shift = Signal(8, init=0xFF)
        m.d.comb += self.i.ready.eq((count == 0) | ((count == 1) & (timer == 0)))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self.tx.eq(0),
                shift.eq(self.i.payload),
                count.eq(10),
                timer.eq(self.divisor - 1),
            ]
        with m.Elif(count != 0):
            m.d.sync += timer.eq(timer - 1)
            with m.If(timer == 0):
                m.d.sync += [
                    Cat(self.tx, shift).eq(Cat(shift, Const(1, 1))),
                    count.eq(count - 1),
                    timer.eq(self.divisor - 1),
                ]
        return m
