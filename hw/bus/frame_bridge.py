"""The end of the host link in hardware: frames in, accesses to the core port, answers out."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from ..control.register_map import ADDRESS_WIDTH, Status
from ..errors import UserError
from ..primitives.block_ram import BlockRam
from .byte_queue import ByteQueue
from .core_port import CorePort
from .crc32 import Crc32
from .frame import ANSWER_MAGIC, MAXIMUM_COUNT, REQUEST_MAGIC, FrameStatus, Operation

__all__ = ["FrameBridge"]


class FrameBridge(wiring.Component):
    """Master of the core port for a host behind a byte stream; see :mod:`macaw.hw.bus.frame` for frames and rules.

    Every complete frame gets exactly one answer. Bytes between frames are ignored. A frame with a count greater than
    ``payload_words`` is taken to its end and then refused. Words of a frame are accessed in ascending order and end at
    the first one whose status is not OK; an address beyond the core port's range has the status ADDRESS.

    Parameters
    ----------
    payload_words : int, 2..1024
        Words of the buffer for one payload: the greatest count of a READ or WRITE. It is one block RAM memory of 32
        bits.
    timeout_cycles : int, 16..2**30
        A pause inside a frame ends it without an answer when it reaches this many cycles, rounded up to a power of two.
        It must be longer than any pause that the host makes inside a frame.
    queue_depth : int, a power of two, 16..1024
        Bytes that wait while a frame is executed and answered. Write frames may follow each other without a pause if
        the queue holds the bytes of this time: 10 for the answer, and those that arrive during ``payload_words``
        accesses.

    Members
    -------
    i : In(stream of 8 bits)
        Bytes from the host. A sender that cannot wait loses bytes when the queue is full; the checksum reports it.
    o : Out(stream of 8 bits)
        Bytes to the host.
    core : Out(CorePort)
        The core.

    **Timing**: one byte a cycle in both directions at best; one access takes 5 cycles and the wait for the core. The
    request is executed after its last byte, and the answer begins after the last access.

    **Reset**: the parser looks for a frame, an answer on its way is cut off, the last WRITE is forgotten.

    Raises UserError for a parameter out of range.
    """

    i: stream.Interface
    o: stream.Interface
    core: wiring.PureInterface

    def __init__(self, payload_words: int = 128, *, timeout_cycles: int, queue_depth: int = 256) -> None:
        for name, value, low, high in (
            ("payload_words", payload_words, 2, 1024),
            ("timeout_cycles", timeout_cycles, 16, 1 << 30),
            ("queue_depth", queue_depth, 16, 1024),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise UserError(
                    f"Parameter {name} of the frame bridge must be an integer from {low} to {high}, not {value!r}."
                )
        if queue_depth & (queue_depth - 1):
            raise UserError(f"Parameter queue_depth of the frame bridge must be a power of two, not {queue_depth!r}.")
        self.payload_words = payload_words
        self.timeout_cycles = timeout_cycles
        self.queue_depth = queue_depth
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "core": Out(CorePort())},
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = ByteQueue(self.queue_depth)
        m.submodules.checksum = checksum = Crc32()
        m.submodules.payload = payload = BlockRam(32, self.payload_words)
        wiring.connect(m, wiring.flipped(self.i), queue.i)

        # The frame. Header bytes enter at the top and end in their place.
        operation, sequence, address, count = Signal(8), Signal(8), Signal(32), Signal(16)
        header = Cat(operation, sequence, address, count)
        core_address, outside = address[:ADDRESS_WIDTH], address[ADDRESS_WIDTH:]
        index = Signal(range(MAXIMUM_COUNT + 1))  # words of the payload received, accessed or sent
        word = Signal(32)  # on its way into the payload memory
        byte = Signal(3)  # of the header; the lower bits count the bytes of a word
        # Comparisons, one cycle late.
        finished = Signal(reset_less=True)
        matching = Signal(reset_less=True)
        unknown = Signal(reset_less=True)
        bad_count = Signal(reset_less=True)
        repeated = Signal(reset_less=True)
        beyond = Signal(reset_less=True)
        m.d.sync += finished.eq(index == count)

        # What the answer says; after an execution kept for the same WRITE coming again.
        refusal = Signal(8)
        status = Signal(Status)
        done = Signal(range(self.payload_words + 1))
        last_valid = Signal()
        last_sequence, last_checksum = Signal(8), Signal(32)

        m.d.sync += [
            matching.eq(checksum.match),
            unknown.eq((operation == 0) | (operation > Operation.PING)),
            bad_count.eq((count > self.payload_words) | ((count == 0) & (operation != Operation.PING))),
            repeated.eq(
                last_valid & (operation == Operation.WRITE) & (sequence == last_sequence) & (word == last_checksum)
            ),
            beyond.eq(outside != 0),
        ]

        buffer_index = index[: bits_for(self.payload_words - 1)]
        m.d.comb += [
            payload.read_address.eq(buffer_index),
            payload.read_enable.eq(0),
            payload.write_address.eq(buffer_index),
            payload.write_data.eq(word),
            payload.write_enable.eq(0),
            self.core.request.payload.address.eq(core_address),
            self.core.request.payload.data.eq(payload.read_data),
            self.core.request.payload.write.eq(operation == Operation.WRITE),
        ]

        # Reception
        receiving = Signal()  # inside a frame
        taken = Signal()
        m.d.comb += taken.eq(queue.o.valid & queue.o.ready)
        silence = Signal(ceil_log2(self.timeout_cycles) + 1)
        m.d.sync += silence.eq(silence + 1)
        with m.If(~receiving | taken):
            m.d.sync += silence.eq(0)
        expired = Signal()
        m.d.comb += expired.eq(silence[-1])

        with m.If(taken):
            m.d.sync += word.eq(Cat(word[8:], queue.o.payload))

        # Registers in front of the checksum, which includes a byte two cycles after it is fed.
        feed = stream.Signature(8).create()
        clear = Signal()
        m.d.sync += [
            checksum.i.valid.eq(feed.valid),
            checksum.i.payload.eq(feed.payload),
            checksum.clear.eq(clear),
        ]

        sending = Signal()  # the checksum follows the answer, not the request
        m.d.comb += [
            feed.payload.eq(Mux(sending, self.o.payload, queue.o.payload)),
            self.o.payload.eq(0),
        ]

        answer_count = Signal(16)
        m.d.comb += answer_count.eq(done)
        with m.If(refusal != 0):
            m.d.comb += answer_count.eq(Mux(refusal == FrameStatus.BAD_COUNT, self.payload_words, 0))

        def send(value: object, following: str) -> None:
            """One byte of the answer inside the checksum."""
            m.d.comb += [sending.eq(1), self.o.valid.eq(1), self.o.payload.eq(value), feed.valid.eq(self.o.ready)]
            with m.If(self.o.ready):
                m.next = following

        with m.FSM():
            with m.State("hunt"):
                m.d.comb += queue.o.ready.eq(1)
                m.d.sync += byte.eq(0)
                with m.If(queue.o.valid & (queue.o.payload == REQUEST_MAGIC[0])):
                    m.next = "magic"

            with m.State("magic"):
                m.d.comb += [queue.o.ready.eq(1), receiving.eq(1), clear.eq(1)]
                with m.If(queue.o.valid):
                    with m.If(queue.o.payload == REQUEST_MAGIC[1]):
                        m.next = "header"
                    with m.Elif(queue.o.payload != REQUEST_MAGIC[0]):
                        m.next = "hunt"
                with m.Elif(expired):
                    m.next = "hunt"

            with m.State("header"):
                m.d.comb += [queue.o.ready.eq(1), receiving.eq(1), feed.valid.eq(queue.o.valid)]
                m.d.sync += index.eq(0)
                with m.If(queue.o.valid):
                    m.d.sync += [header.eq(Cat(header[8:], queue.o.payload)), byte.eq(byte + 1)]
                    with m.If(byte == 7):
                        m.next = "settle"
                with m.Elif(expired):
                    m.next = "hunt"

            with m.State("settle"):
                m.d.comb += receiving.eq(1)
                m.next = "sort"

            with m.State("sort"):
                m.d.comb += receiving.eq(1)
                m.next = "request checksum"
                with m.If((operation == Operation.WRITE) & ~finished):
                    m.next = "request payload"

            with m.State("request payload"):
                m.d.comb += [queue.o.ready.eq(1), receiving.eq(1), feed.valid.eq(queue.o.valid)]
                with m.If(queue.o.valid):
                    m.d.sync += byte.eq(byte + 1)
                    with m.If(byte[:2] == 3):
                        m.next = "keep"
                with m.Elif(expired):
                    m.next = "hunt"

            with m.State("keep"):
                # Words beyond the buffer have nowhere to go.
                m.d.comb += [receiving.eq(1), payload.write_enable.eq(index < self.payload_words)]
                m.d.sync += index.eq(index + 1)
                m.next = "settle"

            with m.State("request checksum"):
                m.d.comb += [queue.o.ready.eq(1), receiving.eq(1), feed.valid.eq(queue.o.valid)]
                with m.If(queue.o.valid):
                    m.d.sync += byte.eq(byte + 1)
                    with m.If(byte[:2] == 3):
                        m.next = "check"
                with m.Elif(expired):
                    m.next = "hunt"

            with m.State("check"):
                m.next = "compare"

            with m.State("compare"):
                m.next = "judge"

            with m.State("judge"):
                m.d.sync += [refusal.eq(0), index.eq(0)]
                m.next = "answer magic 0"
                with m.If(~matching):
                    m.d.sync += refusal.eq(FrameStatus.BAD_CHECKSUM)
                with m.Elif(unknown):
                    m.d.sync += refusal.eq(FrameStatus.UNKNOWN_OPERATION)
                with m.Elif(bad_count):
                    m.d.sync += refusal.eq(FrameStatus.BAD_COUNT)
                with m.Elif(repeated):
                    pass
                with m.Else():
                    m.d.sync += [
                        last_valid.eq(operation == Operation.WRITE),
                        last_sequence.eq(sequence),
                        last_checksum.eq(word),
                        status.eq(Status.OK),
                        done.eq(count),
                    ]
                    with m.If(operation != Operation.PING):
                        m.next = "settle access"
                        with m.If(beyond):
                            m.d.sync += [status.eq(Status.ADDRESS), done.eq(0)]
                            m.next = "answer magic 0"

            # Execution
            with m.State("settle access"):
                m.next = "access"

            with m.State("access"):
                m.d.comb += payload.read_enable.eq(1)
                m.next = "fetch"
                with m.If(finished):
                    m.next = "answer magic 0"

            with m.State("fetch"):
                m.next = "request"

            with m.State("request"):
                m.d.comb += self.core.request.valid.eq(1)
                with m.If(self.core.request.ready):
                    m.next = "response"

            with m.State("response"):
                m.d.comb += self.core.response.ready.eq(1)
                m.d.sync += word.eq(self.core.response.payload.data)
                with m.If(self.core.response.valid):
                    m.next = "store"
                    with m.If(self.core.response.payload.status != Status.OK):
                        m.d.sync += [status.eq(self.core.response.payload.status), done.eq(index)]
                        m.next = "answer magic 0"

            with m.State("store"):
                m.d.comb += payload.write_enable.eq(operation == Operation.READ)
                m.d.sync += [index.eq(index + 1), core_address.eq(core_address + 1)]
                m.next = "settle access"

            # Answer
            with m.State("answer magic 0"):
                m.d.sync += [byte.eq(0), index.eq(0)]
                m.d.comb += [clear.eq(1), self.o.valid.eq(1), self.o.payload.eq(ANSWER_MAGIC[0])]
                with m.If(self.o.ready):
                    m.next = "answer magic 1"

            with m.State("answer magic 1"):
                m.d.comb += [clear.eq(1), self.o.valid.eq(1), self.o.payload.eq(ANSWER_MAGIC[1])]
                with m.If(self.o.ready):
                    m.next = "answer status"

            with m.State("answer status"):
                send(Mux(refusal == 0, status, refusal), "answer sequence")

            with m.State("answer sequence"):
                send(sequence, "answer count 0")

            with m.State("answer count 0"):
                send(answer_count[:8], "answer count 1")

            with m.State("answer count 1"):
                send(answer_count[8:], "answer step")

            with m.State("answer step"):
                m.d.comb += payload.read_enable.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "answer fetch"
                with m.If(finished | (operation != Operation.READ) | (refusal != 0) | (status != Status.OK)):
                    m.next = "answer checksum"

            with m.State("answer fetch"):
                m.next = "answer payload"

            with m.State("answer payload"):
                m.d.comb += [
                    sending.eq(1),
                    self.o.valid.eq(1),
                    self.o.payload.eq(payload.read_data.word_select(byte[:2], 8)),
                    feed.valid.eq(self.o.ready),
                ]
                with m.If(self.o.ready):
                    m.d.sync += byte.eq(byte + 1)
                    with m.If(byte[:2] == 3):
                        m.next = "answer step"

            with m.State("answer checksum"):
                # Fed with its own lowest byte, the register moves down by a byte.
                m.d.comb += [
                    sending.eq(1),
                    self.o.valid.eq(1),
                    self.o.payload.eq(checksum.crc[:8]),
                    feed.payload.eq(~checksum.crc[:8]),
                    feed.valid.eq(self.o.ready),
                ]
                with m.If(self.o.ready):
                    m.d.sync += byte.eq(byte + 1)
                    m.next = "answer shift"
                    with m.If(byte[:2] == 3):
                        m.next = "hunt"

            with m.State("answer shift"):
                m.next = "answer checksum"
        return m
