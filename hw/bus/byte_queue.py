"""A queue of bytes in block RAM."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..errors import UserError

__all__ = ["ByteQueue"]


class ByteQueue(wiring.Component):
    """First in, first out.

    Parameters
    ----------
    depth : int, a power of two, 4..4096
        Bytes in the memory; two more wait in the registers behind it.

    Members
    -------
    i : In(stream of 8 bits)
        Bytes to keep; ready while fewer than ``depth`` wait in the memory.
    o : Out(stream of 8 bits)
        The same bytes in the same order.

    **Timing**: a byte appears ``latency`` cycles after it is taken by an empty queue; one byte a cycle.

    **Reset**: the queue is empty.

    Raises UserError for a depth that is out of range or no power of two.
    """

    i: stream.Interface
    o: stream.Interface

    latency = 3

    def __init__(self, depth: int) -> None:
        if not isinstance(depth, int) or not 4 <= depth <= 4096 or depth & (depth - 1):
            raise UserError(f"The depth of a byte queue must be a power of two from 4 to 4096, not {depth!r}.")
        self.depth = depth
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.depth, init=[], attrs={"ram_style": "block"})
        write_port, read_port = memory.write_port(), memory.read_port()
        bits = exact_log2(self.depth)
        head, tail = Signal(bits + 1), Signal(bits + 1)  # the top bits tell full from empty
        level_with = Signal()
        full, empty = Signal(), Signal()
        fetched, move = Signal(), Signal()  # the memory shows a byte; it moves to the output
        m.d.comb += [
            level_with.eq(head[:bits] == tail[:bits]),
            full.eq(level_with & (head[bits] != tail[bits])),
            empty.eq(level_with & (head[bits] == tail[bits])),
            self.i.ready.eq(~full),
            write_port.addr.eq(head[:bits]),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(self.i.valid & ~full),
            read_port.addr.eq(tail[:bits]),
            read_port.en.eq(~fetched | move),
            move.eq(fetched & (~self.o.valid | self.o.ready)),
        ]
        with m.If(self.i.valid & ~full):
            m.d.sync += head.eq(head + 1)
        with m.If(read_port.en):
            m.d.sync += fetched.eq(~empty)
            with m.If(~empty):
                m.d.sync += tail.eq(tail + 1)
        # A register behind the memory, whose clock-to-output time is long.
        with m.If(move):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(read_port.data)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
