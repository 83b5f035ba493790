"""Reads a serial flash from an address on, as a stream of bytes."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError

__all__ = ["FlashReader"]

_RELEASE = 0xAB
_READ = 0x03
_COMMAND_BITS = 32


class FlashReader(wiring.Component):
    """Master of a serial flash (SPI mode 0, most significant bit first) that needs no more than two commands.

    After reset it sends 0xAB, which ends the deep power-down that an iCE40 leaves its flash in and which every flash
    ignores or answers otherwise, waits, then sends 0x03 (read) with the address, and reads on until ``stop``. The clock
    rests while a byte waits.

    Parameters
    ----------
    address : int, 0..2**24 - 1
        First byte.
    half_cycles : int, 1..16
        Cycles of half a period of the flash's clock. The data must be there so long after the falling edge: with the
        flash's 8 ns, two pads and the board 25 ns. 0x03 is for clocks up to 33 MHz at least.
    wake_cycles : int, 1..2**20
        Between the two commands: up to 35 µs by the data sheets.

    Members
    -------
    cs : Out(1)
        Select the flash (its pin is active low).
    sck : Out(1)
        From a register.
    copi : Out(1)
        Settles behind the falling edge of ``sck``.
    cipo : In(1)
        Sampled in the cycle before ``sck`` rises.
    stop : In(1)
        Ends the reading for good: ``cs`` falls.
    o : Out(stream of 8 bits)
        The bytes from ``address`` on.

    **Timing**: 16 * ``half_cycles`` cycles a byte at best.

    **Reset**: begins anew; the flash is not selected.

    Raises UserError for a parameter out of range.
    """

    cs: Signal
    sck: Signal
    copi: Signal
    cipo: Signal
    stop: Signal
    o: stream.Interface

    def __init__(self, address: int, *, half_cycles: int, wake_cycles: int) -> None:
        for name, value, low, high in (
            ("address", address, 0, (1 << 24) - 1),
            ("half_cycles", half_cycles, 1, 16),
            ("wake_cycles", wake_cycles, 1, 1 << 20),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise UserError(f"Parameter {name} of the flash reader must be an integer from {low} to {high}, not {value!r}.")
        self.address = address
        self.half_cycles = half_cycles
        self.wake_cycles = wake_cycles
        super().__init__(
            {
                "cs": Out(1),
                "sck": Out(1),
                "copi": Out(1),
                "cipo": In(1),
                "stop": In(1),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # One period of the flash's clock: low, then high.
        half = Signal(range(self.half_cycles))
        turn = Signal()  # the last cycle of a half
        running = Signal()
        fall, rise = Signal(), Signal()
        m.d.comb += [
            turn.eq(half == self.half_cycles - 1),
            rise.eq(running & turn & ~self.sck),
            fall.eq(self.sck & turn),
        ]
        with m.If(running | self.sck):
            m.d.sync += half.eq(half + 1)
            with m.If(turn):
                m.d.sync += half.eq(0)
        m.d.sync += self.sck.eq((self.sck & ~fall) | rise)

        count = Signal(range(max(_COMMAND_BITS, self.wake_cycles)))
        release = Const(int(f"{_RELEASE:08b}"[::-1], 2), 8)
        command = Const(int(f"{_READ << 24 | self.address:032b}"[::-1], 2), _COMMAND_BITS)
        shift = Signal(8)
        m.d.comb += self.o.payload.eq(shift)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("release"):
                m.d.comb += running.eq(self.cs)
                m.d.comb += self.copi.eq(release.bit_select(count[:3], 1))
                m.d.sync += self.cs.eq(1)
                with m.If(fall):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == 7):
                        m.d.sync += [count.eq(0), self.cs.eq(0)]
                        m.next = "wake"
            with m.State("wake"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == self.wake_cycles - 1):
                    m.d.sync += count.eq(0)
                    m.next = "command"
            with m.State("command"):
                m.d.comb += running.eq(self.cs)
                m.d.comb += self.copi.eq(command.bit_select(count[:5], 1))
                m.d.sync += self.cs.eq(1)
                with m.If(fall):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == _COMMAND_BITS - 1):
                        m.d.sync += count.eq(0)
                        m.next = "read"
            with m.State("read"):
                m.d.comb += running.eq(~self.o.valid)
                with m.If(rise):
                    m.d.sync += [shift.eq(Cat(self.cipo, shift[:7])), count.eq(count + 1)]
                    with m.If(count[:3] == 7):
                        m.d.sync += self.o.valid.eq(1)
                with m.If(self.stop):
                    m.d.sync += self.cs.eq(0)
                    m.next = "stopped"
            with m.State("stopped"):
                m.d.sync += [self.o.valid.eq(0), count.eq(0)]
        return m
