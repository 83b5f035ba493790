"""Host access: decodes requests on the core port into accesses to registers and memories, and answers each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..bus.core_port import REQUEST, CorePort
from ..config import EngineConfig
from .descriptor import tap_layout
from .register_map import Region, Register, Status

__all__ = ["HostAccess"]

_PATIENCE = 16
"""Cycles for which a write to the feature buffer waits for the running engine."""


class HostAccess(wiring.Component):
    """One request at a time, exactly one response to each, within 32 cycles.

    While the engine runs, program, taps, weights and reads of the feature buffer are answered with ``Status.BUSY``; a write to
    the feature buffer waits up to 16 cycles for a cycle in which the engine does not write, then gives ``Status.BUSY``.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    port : In(CorePort())
    busy : In(1)
    register : Out(4), register_write : Out(1), register_value : In(32)
        Register access; ``write_data`` holds the value to write.
    write_data : Out(32)
    program_address, program_write; tap_address, tap_write; weight_address, weight_write : Out
        Memory writes of ``write_data``; a write enable bit for each 32-bit segment.
    feature_address : Out(feature_bits), feature_bank : Out(range(p))
    feature_write : Out(feature_segments), feature_free : In(1)
        A write happens in a cycle with ``feature_free``.
    feature_word : In(8 * m)
        The word at (feature_address, feature_bank), valid at most 9 cycles after they are stable.

    **Timing.** A request taken in cycle t: ``register_write`` in cycle t + 1; the write enable of program, taps or
    weights in cycle t + 2, the first of the response, while addresses and ``write_data`` stay.

    **Reset.** Idle.
    """

    port: Any
    busy: Signal
    register: Signal
    register_write: Signal
    register_value: Signal
    write_data: Signal
    program_address: Signal
    program_write: Signal
    tap_address: Signal
    tap_write: Signal
    weight_address: Signal
    weight_write: Signal
    feature_address: Signal
    feature_bank: Signal
    feature_write: Signal
    feature_free: Signal
    feature_word: Signal

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.tap_segments = -(-tap_layout(config).size // 32)
        super().__init__(
            {
                "port": In(CorePort()),
                "busy": In(1),
                "register": Out(4),
                "register_write": Out(1),
                "register_value": In(32),
                "write_data": Out(32),
                "program_address": Out(config.program_bits),
                "program_write": Out(1),
                "tap_address": Out(config.tap_bits),
                "tap_write": Out(self.tap_segments),
                "weight_address": Out(config.weight_bits),
                "weight_write": Out(config.weight_segments),
                "feature_address": Out(config.feature_bits),
                "feature_bank": Out(range(config.p)),
                "feature_write": Out(config.feature_segments),
                "feature_free": In(1),
                "feature_word": In(config.word_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config

        request = Signal(REQUEST, reset_less=True)
        offset = request.address[:24]
        region = Signal(Region)
        status = Signal(Status)
        value = Signal(32, reset_less=True)
        wait = Signal(range(_PATIENCE + 1))
        m.d.comb += [
            region.eq(request.address[24:]),
            self.write_data.eq(request.data),
            self.register.eq(offset[:4]),
            self.program_address.eq(offset),
            self.port.response.p.data.eq(value),
            self.port.response.p.status.eq(status),
        ]

        def place(segments: int, depth: int, middle: int = 0) -> data.View:
            """The parts of an offset: segment, bank, word."""
            return data.View(
                data.StructLayout(
                    {
                        "segment": unsigned(ceil_log2(segments)),
                        "bank": unsigned(middle),
                        "word": unsigned(24 - ceil_log2(segments) - middle),
                    }
                ),
                offset,
            )

        tap = place(self.tap_segments, config.tap_depth)
        weight = place(config.weight_segments, config.weight_depth)
        feature = place(config.feature_segments, config.feature_depth, config.bank_bits)
        feature_gap = (feature.bank >= config.p) | (feature.segment >= config.feature_segments)
        m.d.comb += [
            self.tap_address.eq(tap.word),
            self.weight_address.eq(weight.word),
            self.feature_address.eq(feature.word),
            self.feature_bank.eq(feature.bank),
        ]

        def answer(code: Status) -> None:
            m.d.sync += status.eq(code)
            m.next = "RESPOND"

        def write_only(in_range: Any, enable: Signal, segment: Any) -> None:
            """A write to a memory that only the engine reads."""
            with m.If(~request.write):
                answer(Status.WRITE_ONLY)
            with m.Elif(~in_range):
                answer(Status.ADDRESS)
            with m.Elif(self.busy):
                answer(Status.BUSY)
            with m.Else():
                for s in range(len(enable)):
                    m.d.sync += enable[s].eq(segment == s)
                answer(Status.OK)

        # The memories are far away: their enables come from registers, while the request stays.
        m.d.sync += [self.program_write.eq(0), self.tap_write.eq(0), self.weight_write.eq(0)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.port.request.ready.eq(1)
                with m.If(self.port.request.valid):
                    m.d.sync += [request.eq(self.port.request.payload), value.eq(0), wait.eq(_PATIENCE)]
                    m.next = "DECODE"

            with m.State("DECODE"), m.Switch(region):
                with m.Case(Region.REGISTERS):
                    writable = [Register.CONTROL, Register.LIMIT, Register.SCRATCH]
                    with m.If(~offset.matches(*(register.value for register in Register))):
                        answer(Status.ADDRESS)
                    with m.Elif(~request.write):
                        m.d.sync += value.eq(self.register_value)
                        answer(Status.OK)
                    with m.Elif(~offset.matches(*(register.value for register in writable))):
                        answer(Status.READ_ONLY)
                    with m.Else():
                        m.d.comb += self.register_write.eq(1)
                        answer(Status.OK)
                with m.Case(Region.PROGRAM):
                    write_only(offset < config.program_depth, self.program_write, 0)
                with m.Case(Region.TAPS):
                    write_only(tap.word < config.tap_depth, self.tap_write, tap.segment)
                with m.Case(Region.WEIGHTS):
                    write_only(weight.word < config.weight_depth, self.weight_write, weight.segment)
                with m.Case(Region.FEATURES):
                    with m.If(feature.word >= config.feature_depth):
                        answer(Status.ADDRESS)
                    with m.Elif(feature_gap):
                        answer(Status.OK)
                    with m.Elif(request.write):
                        m.next = "WRITE FEATURE"
                    with m.Elif(self.busy):
                        answer(Status.BUSY)
                    with m.Else():
                        m.next = "READ FEATURE"
                with m.Default():
                    answer(Status.ADDRESS)

            with m.State("WRITE FEATURE"):
                m.d.sync += wait.eq(wait - 1)
                for s in range(config.feature_segments):
                    m.d.comb += self.feature_write[s].eq(feature.segment == s)
                with m.If(self.feature_free):
                    answer(Status.OK)
                with m.Elif(wait == 0):
                    answer(Status.BUSY)

            with m.State("READ FEATURE"):
                m.d.sync += wait.eq(wait - 1)
                with m.Switch(feature.segment):
                    for s in range(config.feature_segments):
                        with m.Case(s):
                            m.d.sync += value.eq(self.feature_word[32 * s : 32 * s + 32])
                with m.If(wait == _PATIENCE - 8):
                    answer(Status.OK)

            with m.State("RESPOND"):
                m.d.comb += self.port.response.valid.eq(1)
                with m.If(self.port.response.ready):
                    m.next = "IDLE"
        return m
