"""The sequencer: fetches the layer descriptors of a program and runs one after the other."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..external.weight_stream import BURST_BITS
from .descriptor import Operation, descriptor_layout, descriptor_limits, descriptor_words
from .register_map import CoreError

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Program memory: identity of the engine (2 words, low first), with ``config.streaming`` tag and bursts of the weight
    stream, descriptors, a descriptor with ``Operation.END``.

    With ``config.prefetch`` the next descriptor is fetched while a layer runs; after a pause it is fetched again.

    Parameters
    ----------
    config : EngineConfig
    flush : int
        Cycles from the end of a layer's last event until its last word is in the feature buffer. With ``config.prefetch``
        at least the words of a descriptor plus 2.

    Members
    -------
    start, resume, stop : In(1)
        ``start`` runs the program from its first layer; ``resume`` goes on after a pause; ``stop`` ends the run after the
        present layer. ``start`` and ``resume`` are ignored while ``busy``.
    limit : In(16)
        Layers to run after a start or resume before the engine pauses; 0: all.
    program_address : Out(program_bits), program_data : In(32)
        Read port of the program memory, latency 2.
    layer : Out(descriptor_layout(config)), go : Out(1)
        The present layer; ``go`` starts it.
    layer_idle : In(1)
        Step and drain generators have nothing left to do.
    stream_tag : Out(32), stream_bursts : Out(BURST_BITS), stream_begin : Out(1)
        Words 2 and 3 of the program, and that a run has begun whose header is right. These and the next only with
        ``config.streaming``.
    transfers : In(16), starving : In(1), stream_error : In(8)
        From the weight prefetcher: blocks that are in the weight buffer, that no more will come before a pass ends, and what
        went wrong.
    awaiting : Out(1)
        The next layer waits for weights.
    busy, done, paused : Out(1), error : Out(8), layers : Out(16)
        State of the run; ``error`` is a CoreError; ``layers`` counts finished layers since start.

    **Timing.** A layer costs ``overhead`` cycles besides those of its steps (see sim/cost/cycles.py).

    **Reset.** Not busy, nothing done.

    Raises
    ------
    ValueError
        If a flush is too short to hide a fetch.
    """

    start: Signal
    resume: Signal
    stop: Signal
    limit: Signal
    program_address: Signal
    program_data: Signal
    layer: Any
    go: Signal
    layer_idle: Signal
    stream_tag: Signal
    stream_bursts: Signal
    stream_begin: Signal
    transfers: Signal
    starving: Signal
    stream_error: Signal
    awaiting: Signal
    busy: Signal
    done: Signal
    paused: Signal
    error: Signal
    layers: Signal

    def __init__(self, config: EngineConfig, flush: int) -> None:
        if config.prefetch and flush < descriptor_words(config) + 2:
            raise ValueError(f"a flush of {flush} cycles does not hide a fetch of {descriptor_words(config)} words")
        self.config = config
        self.flush = flush
        stream = {
            "stream_tag": Out(32),
            "stream_bursts": Out(BURST_BITS),
            "stream_begin": Out(1),
            "transfers": In(16),
            "starving": In(1),
            "stream_error": In(8),
            "awaiting": Out(1),
        }
        super().__init__(
            {
                "start": In(1),
                "resume": In(1),
                "stop": In(1),
                "limit": In(16),
                "program_address": Out(config.program_bits),
                "program_data": In(32),
                "layer": Out(descriptor_layout(config)),
                "go": Out(1),
                "layer_idle": In(1),
                "busy": Out(1),
                "done": Out(1),
                "paused": Out(1),
                "error": Out(8),
                "layers": Out(16),
            }
            | (stream if config.streaming else {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        words = descriptor_words(config)

        # Words arrive two cycles after their address and are shifted in from the top.
        loaded = Signal(32 * words, reset_less=True)
        pointer = Signal(config.program_bits + 1)
        to_ask = Signal(range(words + 1))
        asked = Signal(2)
        m.d.comb += self.program_address.eq(pointer)
        m.d.sync += asked.eq(Cat(to_ask != 0, asked[0]))
        with m.If(to_ask != 0):
            m.d.sync += [to_ask.eq(to_ask - 1), pointer.eq(pointer + 1)]
        with m.If(asked[1]):
            m.d.sync += loaded.eq(Cat(loaded, self.program_data)[32:])
        fetched = (to_ask == 0) & (asked == 0)
        layer = Signal.like(self.layer, reset_less=True)
        arrived = Signal.like(self.layer)
        m.d.comb += Cat(arrived).eq(loaded)
        m.d.comb += self.layer.eq(layer if config.prefetch else arrived)

        left = Signal(range(self.flush + 1))
        since_resume = Signal(16)
        # Answers that rest long before they are asked for.
        upcoming = Signal(16, reset_less=True)
        pausing = Signal(reset_less=True)
        beyond = Signal(reset_less=True)
        stopping = Signal()
        with m.If(self.stop):
            m.d.sync += stopping.eq(1)

        m.d.sync += [
            upcoming.eq(since_resume + 1),
            pausing.eq(stopping | (upcoming == self.limit)),
            beyond.eq(pointer + words > config.program_depth),
        ]

        illegal = Signal()
        excesses = [getattr(arrived, name) >= count for name, count in descriptor_limits(config).items()]
        m.d.comb += illegal.eq(Cat(excesses).any())

        def fail(error: CoreError) -> None:
            m.d.sync += [self.error.eq(error), self.busy.eq(0)]
            m.next = "IDLE"

        runaway = Signal()  # the descriptor that was asked for is not in the memory

        def ask_for_layer() -> None:
            m.d.sync += runaway.eq(beyond)
            with m.If(~beyond):
                m.d.sync += to_ask.eq(words)

        header = loaded[-32 * config.header_words :]
        if config.streaming:
            m.d.sync += self.stream_begin.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [
                        self.busy.eq(1),
                        self.done.eq(0),
                        self.paused.eq(0),
                        self.error.eq(CoreError.NONE),
                        self.layers.eq(0),
                        since_resume.eq(0),
                        stopping.eq(0),
                        pointer.eq(0),
                        to_ask.eq(config.header_words),
                    ]
                    m.next = "HEADER"
                with m.Elif(self.resume & self.paused):
                    m.d.sync += [self.busy.eq(1), self.paused.eq(0), since_resume.eq(0), stopping.eq(0)]
                    m.next = "NEXT"

            with m.State("HEADER"), m.If(fetched):
                with m.If(header[:64] == Const(config.identity, 64)):
                    if config.streaming:
                        m.d.sync += [
                            self.stream_begin.eq(1),
                            self.stream_tag.eq(header[64:96]),
                            self.stream_bursts.eq(header[96:]),
                        ]
                    m.next = "NEXT"
                with m.Else():
                    fail(CoreError.FOREIGN_PROGRAM)

            with m.State("NEXT"):
                ask_for_layer()
                m.next = "FETCH"

            with m.State("FETCH"), m.If(fetched):
                m.d.sync += layer.eq(arrived)
                with m.If(runaway):
                    fail(CoreError.RUNAWAY_PROGRAM)
                if config.streaming:
                    with m.Elif(arrived.transfers > self.transfers):
                        m.d.comb += self.awaiting.eq(1)
                        with m.If(self.stream_error != CoreError.NONE):
                            m.d.sync += [self.error.eq(self.stream_error), self.busy.eq(0)]
                            m.next = "IDLE"
                        with m.Elif(self.starving):
                            fail(CoreError.STARVED)
                with m.Else(), m.Switch(arrived.operation):
                    with m.Case(Operation.END):
                        m.d.sync += [self.busy.eq(0), self.done.eq(1)]
                        m.next = "IDLE"
                    with m.Case(Operation.CONVOLUTION, *([Operation.MAX_POOL] if config.pooling else [])):
                        m.next = "GO"
                        if excesses:
                            with m.If(illegal):
                                fail(CoreError.ILLEGAL_NUMBER)
                    with m.Default():
                        fail(CoreError.ILLEGAL_OPERATION)

            with m.State("GO"):
                m.d.comb += self.go.eq(1)
                m.d.sync += left.eq(self.flush)
                if config.prefetch:
                    ask_for_layer()
                m.next = "RUN"

            with m.State("RUN"), m.If(self.layer_idle):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += [self.layers.eq(self.layers + 1), since_resume.eq(since_resume + 1)]
                    with m.If(pausing):
                        m.d.sync += [self.busy.eq(0), self.paused.eq(1)]
                        if config.prefetch:
                            with m.If(~runaway):
                                m.d.sync += pointer.eq(pointer - words)
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "FETCH" if config.prefetch else "NEXT"
        return m
