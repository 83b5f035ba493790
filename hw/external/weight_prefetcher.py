"""The weight prefetcher: reads the weight stream from an external memory and writes it into the weight buffer ahead of the array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..bus.crc32 import Crc32
from ..config import EngineConfig
from ..control.register_map import CoreError
from .memory_port import ADDRESS_BITS, COMMAND, MemoryPort
from .weight_stream import BLOCK_HEAD, BURST_BITS, BURST_WORDS, QUEUE_WORDS, SILENCE

__all__ = ["WeightPrefetcher"]


class WeightPrefetcher(wiring.Component):
    """Follows the stream once a run: bursts as long as the queue has room, blocks in order, each when its place is free.

    Parameters
    ----------
    config : EngineConfig
        With ``streaming``.
    silence : int
        Cycles without an awaited word after which the memory is given up.

    Members
    -------
    begin : In(1)
        Reads the stream from its beginning; ``tag`` and ``bursts`` must be valid from here on. A stream under way is dropped.
    abandon : In(1)
        Drops the stream under way.
    tag : In(32), bursts : In(BURST_BITS)
        The stream's first word, and its length.
    passes : In(16)
        Passes that have finished since the run began.
    transfers : Out(16)
        Blocks that are in the weight buffer, each with a right checksum.
    starving : Out(1)
        No more blocks will come before another pass has finished.
    error : Out(8)
        A CoreError that ended the stream; until the next ``begin``.
    words : Out(32)
        32-bit words read since ``begin``.
    active : Out(1), draining : Out(1)
        The memory is in use: the host must not write. Words are on their way from it.
    write_address, write_data, write_enable : Out
        Write port of the weight buffer.
    host_address : In(ADDRESS_BITS), host_data : In(32), host_write : In(1), host_taken : Out(1)
        Words that the host writes into the memory: one is kept until the memory has it.
    memory : Out(MemoryPort())

    **Timing.** ``begin`` in cycle t: ``memory.restart`` in t + 1 if nothing is under way. A word leaves the queue from the cycle
    after it came, one a cycle; behind a block's head one cycle is lost. ``transfers`` counts a block one cycle after its
    checksum has left the queue. sim/cost/weight_stream.py predicts all of it.

    **Errors.** A wrong tag: FOREIGN_WEIGHTS. A wrong checksum: DAMAGED_WEIGHTS. No word for ``silence`` cycles: SILENT_MEMORY.

    **Reset.** Nothing is read.
    """

    begin: Signal
    abandon: Signal
    tag: Signal
    bursts: Signal
    passes: Signal
    transfers: Signal
    starving: Signal
    error: Signal
    words: Signal
    active: Signal
    draining: Signal
    write_address: Signal
    write_data: Signal
    write_enable: Signal
    host_address: Signal
    host_data: Signal
    host_write: Signal
    host_taken: Signal
    memory: Any

    def __init__(self, config: EngineConfig, *, silence: int = SILENCE) -> None:
        self.config = config
        self.silence = silence
        super().__init__(
            {
                "begin": In(1),
                "abandon": In(1),
                "tag": In(32),
                "bursts": In(BURST_BITS),
                "passes": In(16),
                "transfers": Out(16),
                "starving": Out(1),
                "error": Out(8),
                "words": Out(32),
                "active": Out(1),
                "draining": Out(1),
                "write_address": Out(config.weight_bits),
                "write_data": Out(32),
                "write_enable": Out(config.weight_segments),
                "host_address": In(ADDRESS_BITS),
                "host_data": In(32),
                "host_write": In(1),
                "host_taken": Out(1),
                "memory": Out(MemoryPort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        memory, segments = self.memory, self.config.weight_segments

        # A word of the host, until the memory has taken command and data.
        kept_address = Signal(ADDRESS_BITS, reset_less=True)
        kept_data = Signal(32, reset_less=True)
        ask_write, give_data = Signal(), Signal()
        kept = Signal()
        m.d.comb += [kept.eq(ask_write | give_data), self.host_taken.eq(self.host_write & ~kept & ~self.active)]
        with m.If(self.host_taken):
            m.d.sync += [kept_address.eq(self.host_address), kept_data.eq(self.host_data), ask_write.eq(1), give_data.eq(1)]
        with m.Else():
            with m.If(memory.command.ready):
                m.d.sync += ask_write.eq(0)
            with m.If(memory.write.ready):
                m.d.sync += give_data.eq(0)

        # Bursts, as long as what is on its way fits the queue.
        room = Signal(range(QUEUE_WORDS + 1), init=QUEUE_WORDS)
        left = Signal(BURST_BITS)
        following = Signal(BURST_BITS, reset_less=True)
        asked = Signal(BURST_BITS, reset_less=True)
        asking = Signal()
        ask = Signal()
        taken = Signal()  # a word leaves the queue
        m.d.comb += ask.eq((left != 0) & (room >= BURST_WORDS) & (~asking | memory.command.ready))
        m.d.sync += room.eq(room + taken - Mux(ask, BURST_WORDS, 0))
        with m.If(ask):
            m.d.sync += [asking.eq(1), asked.eq(following), following.eq(following + 1), left.eq(left - 1)]
        with m.Elif(memory.command.ready):
            m.d.sync += asking.eq(0)
        command = Signal(COMMAND)
        m.d.comb += [
            command.address.eq(Mux(ask_write, kept_address, asked << ADDRESS_BITS - BURST_BITS)),
            command.words_last.eq(Mux(ask_write, 0, BURST_WORDS - 1)),
            command.write.eq(ask_write),
            memory.command.payload.eq(command),
            memory.command.valid.eq(asking | ask_write),
            memory.write.payload.eq(kept_data),
            memory.write.valid.eq(give_data),
            memory.read.ready.eq(1),
        ]

        m.submodules.queue = queue = SyncFIFO(width=32, depth=QUEUE_WORDS)
        word = queue.r_data
        m.d.comb += [
            queue.w_data.eq(memory.read.payload),
            queue.w_en.eq(memory.read.valid),
            taken.eq(queue.r_rdy & queue.r_en),
        ]
        with m.If(memory.restart):
            m.d.sync += self.words.eq(0)
        with m.Elif(memory.read.valid):
            m.d.sync += self.words.eq(self.words + 1)

        # Head of the block, its words, its checksum.
        head = Signal(BLOCK_HEAD, reset_less=True)
        words_left = Signal(16, reset_less=True)
        address = Signal(self.config.weight_bits, reset_less=True)
        segment = Signal(range(segments))
        released = Signal()
        m.submodules.crc = crc = Crc32(32)
        m.d.comb += [crc.i.payload.eq(word), released.eq(self.passes >= head.after)]
        store = Signal()
        m.d.sync += [
            self.write_address.eq(address),
            self.write_data.eq(word),
            self.write_enable.eq(Mux(store, 1 << segment, 0)),
        ]

        silence = Signal(range(self.silence))
        waiting = Signal()  # for the memory
        silent = Signal()
        m.d.comb += silent.eq(silence == self.silence - 1)
        m.d.sync += silence.eq(Mux(memory.read.valid | ~waiting | silent, 0, silence + 1))

        def fail(error: CoreError) -> None:
            m.d.sync += [self.error.eq(error), left.eq(0)]
            m.next = "REST"

        def otherwise(awaits: bool) -> None:
            """What every state does: give a silent memory up, and begin anew."""
            if awaits:
                m.d.comb += [queue.r_en.eq(1), waiting.eq(1)]
                with m.If(silent):
                    fail(CoreError.SILENT_MEMORY)
            with m.If(self.abandon):
                m.d.sync += left.eq(0)
                m.next = "REST"
            with m.If(self.begin):
                m.d.sync += [left.eq(0), self.transfers.eq(0), self.error.eq(CoreError.NONE)]
                m.next = "BEGIN"

        with m.FSM() as fsm:
            with m.State("REST"):
                m.d.comb += [queue.r_en.eq(1), self.starving.eq(1)]  # what still comes is dropped
                otherwise(awaits=False)
            with m.State("BEGIN"):
                with m.If((room == QUEUE_WORDS) & ~asking & ~kept):
                    m.d.comb += memory.restart.eq(1)
                    m.d.sync += [left.eq(self.bursts), following.eq(0)]
                    m.next = "TAG"
                otherwise(awaits=True)
            with m.State("TAG"):
                m.d.comb += crc.clear.eq(1)
                with m.If(taken):
                    m.next = "HEAD"
                    with m.If(word != self.tag):
                        fail(CoreError.FOREIGN_WEIGHTS)
                otherwise(awaits=True)
            with m.State("HEAD"):
                m.d.comb += crc.i.valid.eq(taken)
                with m.If(taken):
                    m.d.sync += Value.cast(head)[:32].eq(word)
                    m.next = "HEAD END"
                otherwise(awaits=True)
            with m.State("HEAD END"):
                m.d.comb += crc.i.valid.eq(taken)
                with m.If(taken):
                    m.d.sync += Value.cast(head)[32:].eq(word)
                    m.next = "WAIT"
                otherwise(awaits=True)
            with m.State("WAIT"):
                m.d.comb += self.starving.eq(~released)
                m.d.sync += [words_left.eq(head.words_last), address.eq(head.weight_first), segment.eq(0)]
                with m.If(released):
                    m.next = "WORDS"
                otherwise(awaits=False)
            with m.State("WORDS"):
                m.d.comb += [crc.i.valid.eq(taken), store.eq(taken)]
                with m.If(taken):
                    with m.If(segment == segments - 1):
                        m.d.sync += [segment.eq(0), address.eq(address + 1), words_left.eq(words_left - 1)]
                        with m.If(words_left == 0):
                            m.next = "CHECK"
                    with m.Else():
                        m.d.sync += segment.eq(segment + 1)
                otherwise(awaits=True)
            with m.State("CHECK"):
                m.d.comb += crc.clear.eq(taken)
                with m.If(taken):
                    with m.If(word != crc.crc):
                        fail(CoreError.DAMAGED_WEIGHTS)
                    with m.Else():
                        m.d.sync += self.transfers.eq(self.transfers + 1)
                        m.next = "HEAD"
                        with m.If(head.last):
                            m.next = "REST"
                otherwise(awaits=True)
        m.d.comb += [
            self.draining.eq((self.abandon & ~fsm.ongoing("REST")) | (room != QUEUE_WORDS) | asking),
            self.active.eq(~fsm.ongoing("REST") | self.draining),
        ]
        return m
