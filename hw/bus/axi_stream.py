"""AXI4-Stream in and out of an engine: a map in, the network, a map out; everything else still comes from a host."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..control.register_map import Region, Status, StreamRegister, StreamStatusBit
from ..errors import UserError
from .axi_stream_signature import AxiStreamSignature
from .core_arbiter import CoreArbiter
from .core_port import CorePort
from .stream_runner import StreamRunner

__all__ = ["AxiStream"]

_REGISTER_BITS = 3


class AxiStream(wiring.Component):
    """Runs the engine's program once for each packet: words into the feature buffer, start, words out of it.

    A packet has ``input_words`` words, the last one with ``tlast``; they are written to FEATURES from offset
    ``input_first`` on. Then the program runs, and ``output_words`` words from ``output_first`` on are the answer. The
    words are those that a host writes and reads there, gaps included (docs/program-format.md).

    **Every packet gets exactly one packet in answer.** The last word of one that failed has ``tuser`` and holds the
    ``StreamOutcome`` in bits 0..7, the ``Status`` of the core's last answer in bits 8..11 and its ``CoreError`` in bits
    16..23. A packet that ends too early or too late is taken to its end and runs nothing. A packet waits while the host runs
    a program; the host must not start one while a packet is on its way.

    Parameters
    ----------
    offset_bits : int, 4..24
        Bits of an offset in FEATURES that the registers have.
    input_first, output_first : int
    input_words, output_words : int, at least 1
        The registers after reset. ``first + words`` is at most ``2**offset_bits``.

    Members
    -------
    i : In(AxiStreamSignature())
    o : Out(AxiStreamSignature(user=True))
    host : In(CorePort)
        For everything else. The region STREAM holds the registers (``StreamRegister``); they are written with
        ``Status.BUSY`` and without effect while a packet is on its way. Other accesses go to the core and take turns with
        those of the packets.
    core : Out(CorePort)

    **Timing.** A word is taken every ``input_period`` cycles at best and given every ``output_period`` cycles, and what the
    core takes (see AxiEngine). No path leads from an input of the streams to their outputs. The answer's word waits in a
    register: whoever does not take it does not keep the host from the core.

    **Reset.** No packet; what was on its way is lost, so the streams' other ends must be reset, too.

    Raises UserError for a parameter out of range.
    """

    i: Any
    o: Any
    host: Any
    core: Any

    input_period = 2
    output_period = 3

    def __init__(
        self, offset_bits: int, *, input_first: int, input_words: int, output_first: int, output_words: int
    ) -> None:
        if not isinstance(offset_bits, int) or not 4 <= offset_bits <= 24:
            raise UserError(f"The offsets of an AXI4-Stream must have from 4 to 24 bits, not {offset_bits!r}.")
        for name, first, words in (("input", input_first, input_words), ("output", output_first, output_words)):
            if not 0 <= first < first + words <= 1 << offset_bits:
                raise UserError(
                    f"The {name} of an AXI4-Stream must be one word at least and lie below word {1 << offset_bits} of the "
                    f"feature buffer, not {words} words from {first} on."
                )
        self.offset_bits = offset_bits
        self.places = {
            StreamRegister.INPUT_FIRST: input_first,
            StreamRegister.INPUT_LAST: input_first + input_words - 1,
            StreamRegister.OUTPUT_FIRST: output_first,
            StreamRegister.OUTPUT_LAST: output_first + output_words - 1,
        }
        super().__init__(
            {
                "i": In(AxiStreamSignature()),
                "o": Out(AxiStreamSignature(user=True)),
                "host": In(CorePort()),
                "core": Out(CorePort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.arbiter = arbiter = CoreArbiter()
        m.submodules.runner = runner = StreamRunner(self.offset_bits)
        connect(m, arbiter.core, flipped(self.core))
        connect(m, runner.core, arbiter.ports[1])
        connect(m, flipped(self.i), runner.i)
        connect(m, runner.o, flipped(self.o))

        registers = {
            kind: Signal(self.offset_bits, init=value, name=kind.name.lower()) for kind, value in self.places.items()
        }
        for kind, register in registers.items():
            m.d.comb += getattr(runner, kind.name.lower()).eq(register)
        state = Signal(32)
        m.d.comb += [
            state[StreamStatusBit.OUTCOME : StreamStatusBit.OUTCOME + 8].eq(runner.outcome),
            state[StreamStatusBit.BUSY].eq(runner.busy),
            state[StreamStatusBit.PACKETS : StreamStatusBit.PACKETS + 16].eq(runner.packets),
        ]

        # The region STREAM is answered here, everything else by the core.
        host, forward = self.host, arbiter.ports[0]
        here = Signal()
        answering = Signal()
        forwarded = Signal()  # the core has a request of the host's
        value = Signal(32, reset_less=True)
        status = Signal(Status, reset_less=True)
        m.d.comb += [
            here.eq(host.request.p.address[24:] == Region.STREAM.value),
            forward.request.p.eq(host.request.p),
            forward.request.valid.eq(host.request.valid & ~here & ~answering),
            forward.response.ready.eq(host.response.ready),
            host.request.ready.eq(Mux(here, ~forwarded, forward.request.ready) & ~answering),
            host.response.valid.eq(answering | forward.response.valid),
            host.response.p.eq(forward.response.p),
        ]
        with m.If(forward.request.valid & forward.request.ready):
            m.d.sync += forwarded.eq(1)
        with m.Elif(forward.response.valid & forward.response.ready):
            m.d.sync += forwarded.eq(0)
        with m.If(answering):
            m.d.comb += [host.response.p.data.eq(value), host.response.p.status.eq(status)]
            with m.If(host.response.ready):
                m.d.sync += answering.eq(0)
        with m.Elif(host.request.valid & here & ~forwarded):
            m.d.sync += [answering.eq(1), value.eq(0), status.eq(Status.OK)]
            known = host.request.p.address[_REGISTER_BITS:24] == 0
            write = host.request.p.write
            with m.Switch(host.request.p.address[:_REGISTER_BITS]):
                for kind, register in registers.items():
                    with m.Case(kind.value):
                        m.d.sync += value.eq(register)
                        with m.If(write & known & ~runner.busy):
                            m.d.sync += register.eq(host.request.p.data)
                        with m.If(write & runner.busy):
                            m.d.sync += status.eq(Status.BUSY)
                with m.Case(StreamRegister.STREAM_STATUS.value):
                    m.d.sync += value.eq(state)
                    with m.If(write):
                        m.d.sync += status.eq(Status.READ_ONLY)
                with m.Default():
                    m.d.sync += status.eq(Status.ADDRESS)
            with m.If(~known):
                m.d.sync += status.eq(Status.ADDRESS)
            with m.If(write | ~known):
                m.d.sync += value.eq(0)
        return m
