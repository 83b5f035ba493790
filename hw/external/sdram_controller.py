"""Controller of a single-data-rate SDRAM of 16 bits: initialization, refresh, one open row, bursts of 32-bit words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, Signature

from .memory_port import COMMAND, MOST_WORDS, MemoryPort
from .sdram_timing import SdramCycles

__all__ = ["REFRESHES_AT_START", "SdramController", "SdramPins"]

REFRESHES_AT_START = 8
"""Refreshes of the initialization: 2 or 8 by data sheet."""

# ras, cas, we as the pins have them: low is active. The lowest bit is we.
_NOP, _READ, _WRITE, _ACTIVATE, _PRECHARGE, _REFRESH, _MODE = 0b111, 0b101, 0b100, 0b011, 0b010, 0b001, 0b000


class SdramPins(Signature):
    """Pins of the memory as the controller sees them, without its clock: sampled at the rising edge that ends a cycle.

    ``dq_i`` holds what the memory drives in a cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "cke": Out(1), "cs_n": Out(1, init=1), "ras_n": Out(1, init=1), "cas_n": Out(1, init=1), "we_n": Out(1, init=1),
                "ba": Out(2), "a": Out(13), "dqm": Out(2, init=3), "dq_o": Out(16), "dq_oe": Out(1), "dq_i": In(16),
            }
        )  # fmt: skip


class SdramController(wiring.Component):
    """Does one burst after the other. The row used last stays open until another is needed or the memory is refreshed.

    A word is two beats of 16 bits, the low half first: a burst of the memory (length 2). Word address from the lowest bit:
    column, bank, row. Addresses above the memory's size wrap.

    Parameters
    ----------
    cycles : SdramCycles
        Of a memory whose rows hold 64 words or more: no burst crosses a row.
    pin_delay : int, 0..7
        Cycles that the way out to the memory and back takes in registers of the pins.

    Members
    -------
    port : In(MemoryPort())
    pins : Out(SdramPins())
        Outputs come from registers.

    **Timing.** With the row open, a burst of w words takes 2 * w cycles and bursts follow each other without a gap; another
    row takes ``t_rp + t_rcd`` more, a refresh ``t_rp + t_rfc + t_rcd``. A word is on ``port.read`` ``read_latency`` cycles after
    its command was decided. ``port.restart`` closes the row, refreshes and begins a refresh interval; commands
    are taken again ``settle`` cycles later. sim/cost/external_memory.py predicts every cycle.

    Refreshes come first between two bursts. A burst is at most 64 words, so at 5 MHz and up none is late by more than
    four intervals; eight are allowed.

    **Reset.** Initializes the memory again: power-up pause, precharge, 8 refreshes, mode (burst of 2, CAS latency).
    """

    port: Any
    pins: Any

    def __init__(self, cycles: SdramCycles, *, pin_delay: int = 0) -> None:
        if not 0 <= pin_delay <= 7:
            raise ValueError(f"pin_delay must be from 0 to 7, not {pin_delay}")
        if cycles.row_words < MOST_WORDS:
            raise ValueError(f"a row must hold a burst of {MOST_WORDS} words, not {cycles.row_words}")
        self.cycles = cycles
        self.pin_delay = pin_delay
        self.read_latency = self.latency_of(cycles, pin_delay)
        super().__init__({"port": In(MemoryPort()), "pins": Out(SdramPins())})

    @staticmethod
    def latency_of(cycles: SdramCycles, pin_delay: int) -> int:
        """Cycles from the decision to read a word to the word."""
        return 3 + cycles.cas + pin_delay

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        times, port, pins = self.cycles, self.port, self.pins
        column_words = times.column_bits - 1

        # What the pins show next.
        order = Signal(3, init=_NOP)
        m.d.comb += order.eq(_NOP)
        address = Signal(13)
        bank = Signal(2)
        data_out, drive = Signal(16), Signal()
        m.d.sync += [
            Cat(pins.we_n, pins.cas_n, pins.ras_n).eq(order),
            pins.a.eq(address),
            pins.ba.eq(bank),
            pins.dq_o.eq(data_out),
            pins.dq_oe.eq(drive),
            pins.cs_n.eq(0),
        ]
        m.d.comb += pins.cke.eq(1)

        # Timers: cycles until something is allowed.
        pause = Signal(range(max(times.t_rfc, times.t_mrd, times.t_rp, times.t_rcd) + 1))
        active = Signal(range(times.t_ras + 1))  # the row may be closed
        cycle = Signal(range(times.t_rc + 1))  # a row may be opened
        recovery = Signal(range(times.t_wr + 1))  # what was written is in the row
        turn = Signal(range(times.cas + 4))  # read data has left the bus
        for timer in (pause, active, cycle, recovery, turn):
            with m.If(timer != 0):
                m.d.sync += timer.eq(timer - 1)

        # Refreshes owed.
        until_refresh = Signal(range(times.interval), init=times.interval - 1)
        owed = Signal(3)
        refreshed = Signal()
        tick = Signal()
        m.d.comb += tick.eq(until_refresh == 0)
        m.d.sync += until_refresh.eq(Mux(tick | port.restart, times.interval - 1, until_refresh - 1))
        with m.If((tick | port.restart) & ~refreshed & (owed != 7)):
            m.d.sync += owed.eq(owed + 1)
        with m.Elif(~(tick | port.restart) & refreshed):
            m.d.sync += owed.eq(owed - 1)

        # The next command, and whether its row is open: known one cycle after either has changed.
        request = Signal(COMMAND, reset_less=True)
        waiting, known = Signal(), Signal()
        begin = Signal()
        settling = Signal(range(times.settle + 1))
        ready = Signal()
        row_open = Signal()
        open_place = Signal(times.row_bits + times.bank_bits, reset_less=True)
        place = request.address[column_words : column_words + times.row_bits + times.bank_bits]
        hit = Signal(reset_less=True)
        m.d.sync += [hit.eq(place == open_place), known.eq(waiting & ~begin)]
        with m.If(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        with m.If(port.restart):
            m.d.sync += settling.eq(times.settle - 1)
        m.d.comb += [port.command.ready.eq(~waiting & ready & (settling == 0)), port.ready.eq(ready)]
        with m.If(port.command.valid & port.command.ready):
            m.d.sync += [request.eq(port.command.payload), waiting.eq(1)]
        with m.Elif(begin):
            m.d.sync += waiting.eq(0)

        # The burst under way.
        left = Signal(range(MOST_WORDS + 1))
        writing = Signal(reset_less=True)
        column = Signal(column_words, reset_less=True)
        high = Signal(16, reset_less=True)
        second = Signal()  # the second beat of a written word
        m.d.sync += second.eq(0)
        with m.If(second):
            m.d.comb += [data_out.eq(high), drive.eq(1)]
        asked = Signal()
        now_column = Signal(column_words)
        now_write = Signal()
        m.d.comb += [
            now_column.eq(Mux(left != 0, column, request.address)),
            now_write.eq(Mux(left != 0, writing, request.write)),
        ]

        def word(last: Any) -> None:
            """Reads or writes the next word, if it can."""
            moved = Signal()
            m.d.comb += [
                bank.eq(open_place),
                address.eq(Cat(Const(0, 1), now_column)),
            ]
            with m.If(~now_write):
                m.d.comb += [order.eq(_READ), asked.eq(1), moved.eq(1)]
                m.d.sync += turn.eq(times.cas + 3)
            with m.Elif(port.write.valid & (turn == 0)):
                m.d.comb += [
                    order.eq(_WRITE), moved.eq(1), port.write.ready.eq(1), data_out.eq(port.write.payload[:16]), drive.eq(1),
                ]  # fmt: skip
                m.d.sync += [second.eq(1), high.eq(port.write.payload[16:]), recovery.eq(times.t_wr)]
            with m.If(moved):
                m.d.sync += [pause.eq(1), column.eq(now_column + 1), writing.eq(now_write), left.eq(last)]
                with m.If(left == 0):
                    m.d.comb += begin.eq(1)

        def close() -> None:
            with m.If((active == 0) & (recovery == 0)):
                m.d.comb += [order.eq(_PRECHARGE), address.eq(1 << 10)]
                m.d.sync += [row_open.eq(0), pause.eq(times.t_rp - 1)]

        start = Signal(range(max(times.power_up, REFRESHES_AT_START) + 1), init=times.power_up)
        with m.FSM():
            with m.State("POWER UP"):
                with m.If(tick):
                    m.d.sync += start.eq(start - 1)
                with m.If(start == 0):
                    m.d.comb += [order.eq(_PRECHARGE), address.eq(1 << 10)]
                    m.d.sync += [pause.eq(times.t_rp - 1), start.eq(REFRESHES_AT_START)]
                    m.next = "REFRESH"
            with m.State("REFRESH"), m.If(pause == 0):
                m.d.comb += order.eq(_REFRESH)
                m.d.sync += [pause.eq(times.t_rfc - 1), start.eq(start - 1)]
                with m.If(start == 1):
                    m.next = "MODE"
            with m.State("MODE"), m.If(pause == 0):
                m.d.comb += [order.eq(_MODE), address.eq(times.cas << 4 | 1)]
                m.d.sync += [pause.eq(times.t_mrd - 1), owed.eq(0), pins.dqm.eq(0)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += ready.eq(1)
                with m.If(pause == 0):
                    with m.If(left != 0):
                        word(left - 1)
                    with m.Elif(owed != 0):
                        with m.If(row_open):
                            close()
                        with m.Elif(cycle == 0):
                            m.d.comb += [order.eq(_REFRESH), refreshed.eq(1)]
                            m.d.sync += pause.eq(times.t_rfc - 1)
                    with m.Elif(known):
                        with m.If(~row_open):
                            with m.If(cycle == 0):
                                m.d.comb += [
                                    order.eq(_ACTIVATE),
                                    bank.eq(place[: times.bank_bits]),
                                    address.eq(place[times.bank_bits :]),
                                ]
                                m.d.sync += [
                                    row_open.eq(1),
                                    open_place.eq(place),
                                    pause.eq(times.t_rcd - 1),
                                    active.eq(times.t_ras - 1),
                                    cycle.eq(times.t_rc - 1),
                                ]
                        with m.Elif(hit):
                            word(request.words_last)
                        with m.Else():
                            close()

        # Words on their way back: two beats.
        travelling = Signal(self.read_latency)
        low = Signal(16, reset_less=True)
        received = Signal(32, reset_less=True)
        m.d.sync += [
            travelling.eq(Cat(asked, travelling)),
            low.eq(pins.dq_i),
            received.eq(Cat(low, pins.dq_i)),
        ]
        m.d.comb += [port.read.valid.eq(travelling[-1]), port.read.payload.eq(received)]
        return m
