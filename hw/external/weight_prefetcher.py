"""The weight prefetcher: reads the weight stream from an external memory and writes it into the weight buffer ahead of the array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..bus.crc32 import Crc32
from ..config import EngineConfig
from ..control.register_map import CoreError
from .map_transfer import MapTransfer
from .memory_port import ADDRESS_BITS, COMMAND, MOST_WORDS, MemoryPort
from .weight_stream import BLOCK_HEAD, BURST_BITS, BURST_WORDS, MAP_HEAD, QUEUE_WORDS, SILENCE, BlockKind

__all__ = ["WeightPrefetcher"]

_MOST_DUE = 32 * MOST_WORDS
"""Words of a map's bursts that are under way: a memory takes no more than some 16 bursts ahead."""


class WeightPrefetcher(wiring.Component):
    """Follows the stream once a run: bursts as long as the queue has room, blocks in order, each when its place is free.

    With ``config.spilling`` a block may also move rows of a map (:class:`~macaw.hw.external.map_transfer.MapTransfer`), while
    the run goes on and nothing else of the stream is asked for.

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
        The memory is in use: the host must not write. Words are on their way from it, the last one less than ``silence`` cycles ago.
    write_address, write_data, write_enable : Out
        Write port of the weight buffer.
    host_address : In(ADDRESS_BITS), host_data : In(32), host_write : In(1), host_taken : Out(1)
        Words that the host writes into the memory: one is kept until the memory has it.
    memory : Out(MemoryPort())
    running : In(1), written : Out(32)
        The run is not paused; 32-bit words of maps written since ``begin``. These and the next only with ``config.spilling``.
    map_reading : Out(1), map_address, map_bank, map_read_word, map_write_data, map_write_enable
        Access to the feature buffer, as of MapTransfer; ``map_reading``: its read port is this component's.

    **Timing.** ``begin`` in cycle t: ``memory.restart`` in t + 1 if nothing is under way. A word leaves the queue from the cycle
    after it came, one a cycle; behind a block's head one cycle is lost. ``transfers`` counts a block one cycle after its
    checksum has left the queue. sim/cost/weight_stream.py predicts all of it.

    **Errors.** A wrong tag: FOREIGN_WEIGHTS. A wrong checksum: DAMAGED_WEIGHTS, of a map's row: DAMAGED_MAP. No word for ``silence`` cycles: SILENT_MEMORY.
    Words that come later are dropped; a new stream waits for them as long again.

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
    running: Signal
    written: Signal
    map_reading: Signal
    map_address: Signal
    map_bank: Signal
    map_read_word: Signal
    map_write_data: Signal
    map_write_enable: Signal

    def __init__(self, config: EngineConfig, *, silence: int = SILENCE) -> None:
        self.config = config
        self.silence = silence
        maps = {
            "running": In(1),
            "written": Out(32),
            "map_reading": Out(1),
            "map_address": Out(config.feature_bits),
            "map_bank": Out(range(config.p)),
            "map_read_word": In(config.word_width),
            "map_write_data": Out(32),
            "map_write_enable": Out(config.feature_segments),
        }
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
            | (maps if config.spilling else {})
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
        moving = Signal()  # rows of a map are, and nothing else is asked for
        m.d.comb += ask.eq((left != 0) & (room >= BURST_WORDS) & (~asking | memory.command.ready) & ~moving)
        m.d.sync += room.eq(room + taken - Mux(ask, BURST_WORDS, 0))
        with m.If(ask):
            m.d.sync += [asking.eq(1), asked.eq(following), following.eq(following + 1), left.eq(left - 1)]
        with m.Elif(memory.command.ready):
            m.d.sync += asking.eq(0)
        command = Signal(COMMAND)
        of_stream = Signal()  # the word that comes
        owed = Signal()  # words of a map have been asked for, or promised
        m.d.comb += [
            command.address.eq(Mux(ask_write, kept_address, asked << ADDRESS_BITS - BURST_BITS)),
            command.words_last.eq(Mux(ask_write, 0, BURST_WORDS - 1)),
            command.write.eq(ask_write),
            memory.command.payload.eq(command),
            memory.command.valid.eq(asking | ask_write),
            memory.write.payload.eq(kept_data),
            memory.write.valid.eq(give_data),
            memory.read.ready.eq(1),
            of_stream.eq(1),
        ]
        transfer = self._transfer(m, command, kept_data, ask, asking, moving, of_stream, owed) if self.config.spilling else None

        m.submodules.queue = queue = SyncFIFO(width=32, depth=QUEUE_WORDS)
        word = queue.r_data
        m.d.comb += [
            queue.w_data.eq(memory.read.payload),
            queue.w_en.eq(memory.read.valid & of_stream),
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
        owing = Signal()  # it has not answered all bursts
        gone = Signal()  # and was given up
        m.d.comb += owing.eq((room != QUEUE_WORDS) | asking | owed)
        silent = Signal()
        m.d.comb += silent.eq(silence == self.silence - 1)
        answered = memory.read.valid if transfer is None else memory.read.valid | (memory.write.valid & memory.write.ready)
        m.d.sync += silence.eq(Mux(answered | ~waiting | silent, 0, silence + 1))

        def fail(error: CoreError) -> None:
            m.d.sync += [self.error.eq(error), left.eq(0)]
            m.next = "REST"

        def otherwise(awaits: bool, takes: bool = True) -> None:
            """What every state does: give a silent memory up, and begin anew."""
            if awaits:
                m.d.comb += [queue.r_en.eq(takes), waiting.eq(1)]
                with m.If(silent):
                    fail(CoreError.SILENT_MEMORY)
                    m.d.sync += gone.eq(1)
            with m.If(self.abandon):
                m.d.sync += left.eq(0)
                m.next = "REST"
            with m.If(self.begin):
                m.d.sync += [left.eq(0), self.transfers.eq(0), self.error.eq(CoreError.NONE), gone.eq(0)]
                m.next = "BEGIN"

        def count_block() -> None:
            m.d.sync += self.transfers.eq(self.transfers + 1)
            m.next = "HEAD"
            with m.If(head.last):
                m.next = "REST"

        with m.FSM() as fsm:
            with m.State("REST"):
                m.d.comb += [queue.r_en.eq(1), self.starving.eq(1), waiting.eq(owing & ~gone)]  # what still comes is dropped
                with m.If(silent):
                    m.d.sync += gone.eq(1)
                otherwise(awaits=False)
            with m.State("BEGIN"):
                with m.If((room == QUEUE_WORDS) & ~asking & ~kept & ~owed):
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
                    if transfer is not None:
                        kind = BLOCK_HEAD["kind"]
                        with m.If(word[kind.offset - 32 : kind.offset - 32 + kind.width] != BlockKind.WEIGHTS.value):
                            m.next = "MAP HEAD"
                otherwise(awaits=True)
            with m.State("WAIT"):
                m.d.comb += self.starving.eq(~released)
                m.d.sync += [words_left.eq(head.count_last), address.eq(head.first), segment.eq(0)]
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
                        count_block()
                otherwise(awaits=True)
            if transfer is not None:
                self._map_states(m, transfer, word, taken, crc, head, released, moving, asking, count_block, fail, otherwise)
        m.d.comb += [
            self.draining.eq((self.abandon & ~fsm.ongoing("REST")) | (owing & ~gone)),
            self.active.eq(~fsm.ongoing("REST") | owing),
        ]
        return m

    def _transfer(
        self, m: Module, command: Any, kept: Signal, ask: Signal, asking: Signal, moving: Signal, of_stream: Signal, owed: Signal
    ) -> MapTransfer:
        """The map transfer behind the same commands. Words come back in the order in which they were asked for: first those of the
        stream. Words of a burst that was asked for are taken, or given, even if the transfer is dropped: all of them then are
        the one that was offered last, which ``kept`` holds (the host writes nothing meanwhile)."""
        memory = self.memory
        m.submodules.transfer = transfer = MapTransfer(self.config)
        of_map = Signal()
        wanted = Signal(COMMAND, reset_less=True)
        coming = Signal(range(QUEUE_WORDS + 1))
        due = Signal(range(_MOST_DUE + 1))
        wants, gives, paid = Signal(), Signal(), Signal()
        m.d.comb += [
            transfer.asked.eq(~asking | memory.command.ready),
            wants.eq(transfer.ask & transfer.asked),
            of_stream.eq(coming != 0),
            owed.eq(due != 0),
            transfer.arrived.eq(memory.read.valid & ~of_stream),
            transfer.word.eq(memory.read.payload),
            gives.eq(owed & wanted.write),
            transfer.given.ready.eq(memory.write.ready & gives),
            paid.eq(Mux(wanted.write, memory.write.valid & memory.write.ready, transfer.arrived) & owed),
        ]
        m.d.sync += [
            coming.eq(coming + Mux(ask, BURST_WORDS, 0) - (memory.read.valid & of_stream)),
            due.eq(due + Mux(wants, transfer.words_last + 1, 0) - paid),
        ]
        with m.If(wants):
            m.d.sync += [
                asking.eq(1),
                of_map.eq(1),
                wanted.address.eq(transfer.address),
                wanted.words_last.eq(transfer.words_last),
                wanted.write.eq(transfer.storing),
            ]
        with m.Elif(ask):
            m.d.sync += of_map.eq(0)
        with m.If(asking & of_map):
            m.d.comb += command.eq(wanted)
        with m.If(gives & (transfer.given.valid | ~moving)):
            m.d.comb += memory.write.valid.eq(1)
        with m.If(moving):
            m.d.comb += memory.write.payload.eq(transfer.given.payload)
            m.d.sync += kept.eq(transfer.given.payload)
        with m.If(memory.restart):
            m.d.sync += self.written.eq(0)
        with m.Elif(gives & paid):
            m.d.sync += self.written.eq(self.written + 1)
        m.d.comb += [
            transfer.active.eq(moving),
            self.map_reading.eq(moving & transfer.storing),
            self.map_address.eq(transfer.buffer_address),
            self.map_bank.eq(transfer.buffer_bank),
            transfer.read_word.eq(self.map_read_word),
            self.map_write_data.eq(transfer.write_data),
            self.map_write_enable.eq(transfer.write_enable),
        ]
        return transfer

    def _map_states(
        self,
        m: Module,
        transfer: MapTransfer,
        word: Any,
        taken: Signal,
        crc: Crc32,
        head: Any,
        released: Signal,
        moving: Signal,
        asking: Signal,
        count_block: Callable[[], None],
        fail: Callable[[CoreError], None],
        otherwise: Callable[..., None],
    ) -> None:
        """The rest of the head of a block that moves rows, its checksum, and the move."""
        more = Signal(MAP_HEAD, reset_less=True)
        words = MAP_HEAD.size // 32
        left = Signal(range(words))
        m.d.comb += [
            transfer.head.eq(head),
            transfer.more.eq(more),
            transfer.storing.eq(Value.cast(head.kind) == BlockKind.STORE.value),
        ]
        with m.State("MAP HEAD"):
            m.d.comb += crc.i.valid.eq(taken)
            with m.If(taken):
                m.d.sync += [Value.cast(more).eq(Cat(more, word)[32:]), left.eq(left + 1)]
                with m.If(left == words - 1):
                    m.d.sync += left.eq(0)
                    m.next = "MAP CHECK"
            otherwise(awaits=True)
        with m.State("MAP CHECK"):
            m.d.comb += crc.clear.eq(taken)
            with m.If(taken):
                m.next = "MAP WAIT"
                with m.If(word != crc.crc):
                    fail(CoreError.DAMAGED_WEIGHTS)
            otherwise(awaits=True)
        with m.State("MAP WAIT"):
            m.d.comb += self.starving.eq(~released)
            with m.If(released & self.running):
                m.next = "MAP"
            otherwise(awaits=False)
        with m.State("MAP"):
            m.d.comb += moving.eq(1)
            with m.If(transfer.done & ~asking):
                count_block()
            with m.Elif(transfer.damaged):
                fail(CoreError.DAMAGED_MAP)
            otherwise(awaits=True, takes=False)
