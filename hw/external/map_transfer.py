"""The map transfer: moves rows of a map between the feature buffer and the external memory, each row with its checksum."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..bus.crc32 import Crc32
from ..config import EngineConfig
from ..control.delay import delay
from ..memory.feature_buffer import FeatureBuffer
from .memory_port import ADDRESS_BITS, MOST_WORDS
from .weight_stream import BLOCK_HEAD, MAP_HEAD

__all__ = ["MapTransfer"]


class MapTransfer(wiring.Component):
    """Rows ``0 .. rows_last`` of planes ``0 .. planes_last``; planes one after the other, rows without gaps in both memories.

    A row is ``line_last + 1`` addresses of all p banks: in the external memory its words by address, bank, 32-bit segment, then
    the CRC-32 of their bytes. A load is a store backwards: it tests every checksum.

    Parameters
    ----------
    config : EngineConfig
        With ``spilling``.

    Members
    -------
    head : In(BLOCK_HEAD), more : In(MAP_HEAD)
        What to move; stable from the cycle before ``active``. ``count_last``: planes minus one.
    storing : In(1)
        From the feature buffer to the memory, else the other way; stable like these.
    active : In(1)
        The transfer runs; before, it is made ready. When this falls, everything is dropped.
    done, damaged : Out(1)
        One cycle: all words have been moved; a row has a wrong checksum.
    ask : Out(1), asked : In(1), address : Out(ADDRESS_BITS), words_last : Out(range(64))
        The next burst, taken over in a cycle with both. No burst crosses a multiple of 64 words.
    arrived : In(1), word : In(32)
        Words of the bursts that read, in order; cannot wait.
    given : Out(stream of 32 bits)
        Words of the bursts that write.
    buffer_address : Out(feature_bits), buffer_bank : Out(range(p))
        Place of the word in the feature buffer.
    read_word : In(8 * m)
        What is there, ``read_latency`` cycles later; a read every cycle.
    write_data : Out(32), write_enable : Out(feature_segments)
        Goes to that place in this cycle.

    **Timing.** From the first cycle of ``active`` on a word is read a cycle, as long as 16 words have room; it is offered on
    ``given`` ``read_latency + 2`` cycles later. ``done`` comes in the cycle after the last word has been given, or 1 cycle after the
    last one has arrived. sim/cost/weight_stream.py predicts all of it.

    **Reset.** Nothing moves. ``active`` must stay low for 16 cycles between transfers that were dropped and the next.
    """

    head: Any
    more: Any
    storing: Signal
    active: Signal
    done: Signal
    damaged: Signal
    ask: Signal
    asked: Signal
    address: Signal
    words_last: Signal
    arrived: Signal
    word: Signal
    given: Any
    buffer_address: Signal
    buffer_bank: Signal
    read_word: Signal
    write_data: Signal
    write_enable: Signal

    room = 16
    """Words on their way to ``given``; more than ``read_latency + 3``, so that they are not what a memory waits for."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.read_latency = self.read_latency_of(config)
        super().__init__(
            {
                "head": In(BLOCK_HEAD),
                "more": In(MAP_HEAD),
                "storing": In(1),
                "active": In(1),
                "done": Out(1),
                "damaged": Out(1),
                "ask": Out(1),
                "asked": In(1),
                "address": Out(ADDRESS_BITS),
                "words_last": Out(range(MOST_WORDS)),
                "arrived": In(1),
                "word": In(32),
                "given": Out(stream.Signature(32)),
                "buffer_address": Out(config.feature_bits),
                "buffer_bank": Out(range(config.p)),
                "read_word": In(config.word_width),
                "write_data": Out(32),
                "write_enable": Out(config.feature_segments),
            }
        )

    @staticmethod
    def read_latency_of(config: EngineConfig) -> int:
        """Cycles from an address to the word, through the window selector's rotation."""
        return FeatureBuffer.latency + config.bank_bits

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._bursts(m)
        config = self.config
        segments = config.feature_segments

        # The place of the next word; behind the words of a row comes their checksum.
        step = Signal()
        plane = Signal(config.feature_bits, reset_less=True)
        address = Signal(config.feature_bits, reset_less=True)
        bank = Signal(range(config.p), reset_less=True)
        segment = Signal(range(segments), reset_less=True)
        line_left = Signal(16, reset_less=True)
        rows_left = Signal(12, reset_less=True)
        planes_left = Signal(16, reset_less=True)
        at_sum = Signal(reset_less=True)
        complete = Signal(reset_less=True)
        following = Signal(config.feature_bits)
        m.d.comb += [
            following.eq(plane + self.more.plane_step),
            self.buffer_address.eq(address),
            self.buffer_bank.eq(bank),
        ]
        with m.If(~self.active):
            m.d.sync += [
                plane.eq(self.head.first),
                address.eq(self.head.first),
                bank.eq(0),
                segment.eq(0),
                line_left.eq(self.more.line_last),
                rows_left.eq(self.head.rows_last),
                planes_left.eq(self.head.count_last),
                at_sum.eq(0),
                complete.eq(0),
            ]
        with m.Elif(step & at_sum):
            m.d.sync += [at_sum.eq(0), line_left.eq(self.more.line_last), rows_left.eq(rows_left - 1)]
            with m.If(rows_left == 0):
                m.d.sync += [
                    rows_left.eq(self.head.rows_last),
                    plane.eq(following),
                    address.eq(following),
                    planes_left.eq(planes_left - 1),
                    complete.eq(planes_left == 0),
                ]
        with m.Elif(step):
            m.d.sync += segment.eq(segment + 1)
            with m.If(segment == segments - 1):
                m.d.sync += [segment.eq(0), bank.eq(bank + 1)]
                with m.If(bank == config.p - 1):
                    m.d.sync += [bank.eq(0), address.eq(address + 1), line_left.eq(line_left - 1), at_sum.eq(line_left == 0)]

        # Out of the feature buffer: as many words under way as the queue has room for.
        room = Signal(range(self.room + 1), init=self.room)
        reading = Signal()
        taken = Signal()
        m.d.comb += reading.eq(self.active & self.storing & ~complete & (room != 0))
        m.d.sync += room.eq(Mux(self.active, room - reading + taken, self.room))
        on_way = delay(m, Cat(reading, at_sum, segment), self.read_latency, "on_way", reset_less=False)[-1]
        read_segment = on_way[2:]
        ready, ready_sum = Signal(), Signal(reset_less=True)
        ready_word = Signal(32, reset_less=True)
        m.d.sync += [ready.eq(on_way[0]), ready_sum.eq(on_way[1])]
        parts = Array(self.read_word[32 * number : 32 * number + 32] for number in range(segments))
        m.d.sync += ready_word.eq(parts[read_segment] if segments > 1 else self.read_word)

        # Into it.
        got = Signal()
        got_word = Signal(32, reset_less=True)
        m.d.sync += [got.eq(self.arrived & self.active & ~self.storing), got_word.eq(self.word)]
        m.d.comb += [
            self.write_data.eq(got_word),
            self.write_enable.eq(Mux(got & ~at_sum, 1 << segment, 0)),
            step.eq(Mux(self.storing, reading, got)),
        ]

        m.submodules.crc = crc = Crc32(32)
        m.submodules.queue = queue = SyncFIFO(width=32, depth=self.room)
        m.d.comb += [
            crc.i.payload.eq(Mux(self.storing, ready_word, got_word)),
            crc.i.valid.eq(Mux(self.storing, ready & ~ready_sum, got & ~at_sum)),
            crc.clear.eq(~self.active | Mux(self.storing, ready & ready_sum, got & at_sum)),
            queue.w_data.eq(Mux(ready_sum, crc.crc, ready_word)),
            queue.w_en.eq(ready & self.active),
            self.given.payload.eq(queue.r_data),
            self.given.valid.eq(queue.r_rdy & self.active),
            queue.r_en.eq(self.given.ready | ~self.active),
            taken.eq(self.given.valid & self.given.ready),
        ]
        last = got & at_sum & (rows_left == 0) & (planes_left == 0)
        m.d.comb += [
            self.damaged.eq(got & at_sum & (got_word != crc.crc)),
            self.done.eq(Mux(self.storing, complete & (room == self.room), last & ~self.damaged) & self.active),
        ]
        return m

    def _bursts(self, m: Module) -> None:
        """The bursts of each plane, as long as they may be."""
        plane = Signal(ADDRESS_BITS, reset_less=True)
        address = Signal(ADDRESS_BITS, reset_less=True)
        left = Signal(ADDRESS_BITS, reset_less=True)
        planes_left = Signal(16, reset_less=True)
        complete = Signal(reset_less=True)
        following = Signal(ADDRESS_BITS)
        to_border = Signal(range(MOST_WORDS + 1))
        ends = Signal()
        m.d.comb += [
            following.eq(plane + self.more.external_step),
            to_border.eq(MOST_WORDS - address[: (MOST_WORDS - 1).bit_length()]),
            ends.eq(left <= to_border),
            self.ask.eq(self.active & ~complete),
            self.address.eq(address),
            self.words_last.eq(Mux(ends, left, to_border) - 1),
        ]
        with m.If(~self.active):
            m.d.sync += [
                plane.eq(self.more.external_first),
                address.eq(self.more.external_first),
                left.eq(self.more.plane_words),
                planes_left.eq(self.head.count_last),
                complete.eq(0),
            ]
        with m.Elif(self.ask & self.asked):
            m.d.sync += [address.eq(address + to_border), left.eq(left - to_border)]
            with m.If(ends):
                m.d.sync += [
                    plane.eq(following),
                    address.eq(following),
                    left.eq(self.more.plane_words),
                    planes_left.eq(planes_left - 1),
                    complete.eq(planes_left == 0),
                ]
