"""The memory tester: march tests over all memories of an engine, with the first wrong word in registers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from ..bus.core_port import REQUEST, CorePort
from ..control.memory_test_map import MEMORY_TEST_FORMAT, MemoryTestRegister, MemoryTestStatus
from ..control.register_map import MAGIC, Region, Status
from ..errors import UserError
from ..external.external_memory_tester import ExternalMemoryTester, ExternalShape
from ..external.memory_port import ADDRESS_BITS, MemoryPort
from ..primitives.block_ram import BlockRam
from ..primitives.distributed_ram import DistributedRam
from ..primitives.single_port_ram import SinglePortRam
from .engine_memories import MemoryShape
from .march import BACKGROUNDS, BITS, PASSES

__all__ = ["MemoryTester", "MemoryUnderTest", "memory_list_identity"]


def memory_list_identity(shapes: Sequence[MemoryShape], external: ExternalShape | None = None) -> int:
    """64-bit identity of a tester of these memories. Never 0."""
    memories = [asdict(shape) for shape in shapes] + ([] if external is None else [asdict(external)])
    text = json.dumps({"memory test": MEMORY_TEST_FORMAT, "memories": memories}, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") | 1


class MemoryUnderTest(wiring.Component):
    """A memory of any kind behind one port.

    Parameters
    ----------
    shape : MemoryShape

    Members
    -------
    address : In(ceil(log2(depth))), read : In(1), write : In(granules), data : In(width)
        One access a cycle, a read or a write.
    word : Out(width)

    **Timing.** A read in cycle t shows the word in cycle t + 2 and until the cycle before the next access.

    **Reset.** That of the primitive.
    """

    address: Any
    read: Any
    write: Any
    data: Any
    word: Any

    def __init__(self, shape: MemoryShape) -> None:
        self.shape = shape
        super().__init__(self.members_of(shape))

    @staticmethod
    def members_of(shape: MemoryShape) -> dict[str, Any]:
        """Members for a shape."""
        return {
            "address": In(ceil_log2(shape.depth)), "read": In(1), "write": In(shape.granules), "data": In(shape.width),
            "word": Out(shape.width),
        }  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.shape
        memory: Any
        if shape.kind == "spram":
            m.submodules.memory = memory = SinglePortRam(shape.width, shape.depth)
            m.d.comb += [
                memory.address.eq(self.address),
                memory.enable.eq(self.read | self.write.any()),
                memory.write_enable.eq(self.write),
            ]
        else:
            if shape.kind == "block":
                memory = BlockRam(shape.width, shape.depth, shape.granularity)
                m.d.comb += memory.read_enable.eq(self.read)
            else:
                memory = DistributedRam(shape.width, shape.depth)
            m.submodules.memory = memory
            m.d.comb += [
                memory.read_address.eq(self.address),
                memory.write_address.eq(self.address),
                memory.write_enable.eq(self.write),
            ]
        m.d.comb += [memory.write_data.eq(self.data), self.word.eq(memory.read_data)]
        return m


class MemoryTester(wiring.Component):
    """Runs PASSES over one memory after the other when the host writes 1 to CONTROL, then the passes of an external memory if
    there is one, and keeps the first wrong word.

    It takes the place of an engine behind the same link.

    Parameters
    ----------
    shapes : sequence of 1 to 256 MemoryShape
        What an engine contains (:func:`~macaw.hw.memory.engine_memories.engine_memories`).
    clock_hz : int
        Value of ``MemoryTestRegister.CLOCK``; 0 if unknown.
    make : callable, optional
        Makes a memory of a shape, with the members of :class:`MemoryUnderTest`, which is the default.
    external : ExternalShape, optional
        The memory at the port ``memory``.

    Members
    -------
    port : In(CorePort())
        Registers of hw/control/memory_test_map.py in the region REGISTERS; everything else has the status ADDRESS.
    busy : Out(1)
        A test runs.
    error : Out(1)
        The last test found a wrong word, or an external memory that does not answer.
    memory : Out(MemoryPort())
        With ``external``.

    **Timing.** A test takes, in cycles, the sum over memories and passes of ``2 + depth * (2 + r * (6 + segments) + w)``,
    with r and w 1 if the pass reads, writes; with an external memory 2 more and those of
    :class:`~macaw.hw.external.external_memory_tester.ExternalMemoryTester`. A request is answered in the second cycle after it.

    **Reset.** Idle, without a result; memories keep their contents.

    Raises UserError without a memory, with too many, and for a memory of more than 65,536 words.
    """

    port: Any
    busy: Signal
    error: Signal
    memory: Any

    def __init__(
        self, shapes: Sequence[MemoryShape], *, clock_hz: int = 0, make: Callable[[MemoryShape], Any] = MemoryUnderTest,
        external: ExternalShape | None = None,
    ) -> None:  # fmt: skip
        if not 1 <= len(shapes) <= 256:
            raise UserError(f"A memory tester tests 1 to 256 memories, not {len(shapes)}.")
        for shape in shapes:
            if not 2 <= shape.depth <= 65536:
                raise UserError(f"A memory tester tests memories of 2 to 65536 words, not {shape.depth} ({shape.name}).")
        self.shapes = tuple(shapes)
        self.clock_hz = clock_hz
        self.make = make
        self.external = external
        members = {"port": In(CorePort()), "busy": Out(1), "error": Out(1)}
        super().__init__(members if external is None else members | {"memory": Out(MemoryPort())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shapes = self.shapes
        count = len(shapes)
        most = max(shape.segments for shape in shapes)
        memory = Signal(range(count if self.external is None else count + 1))
        number = Signal(range(len(PASSES)))
        address = Signal(16)
        segment = Signal(range(most))

        # Of the pass, one cycle after its number.
        walk = {
            "background": 4, "down": 1, "reads": 1, "read_inverse": 1, "read_even": 1, "writes": 1, "write_inverse": 1,
            "even": 1, "odd": 1,
        }  # fmt: skip
        now = {name: Signal(width, name=name, reset_less=True) for name, width in walk.items()}
        table = Array(
            Cat(
                Const(item.background, 4), item.down, item.read != "", item.read == "~b", item.read == "even", item.write != "",
                item.write == "~b", item.granules != "odd", item.granules != "even",
            )
            for item in PASSES
        )  # fmt: skip
        m.d.sync += Cat(now.values()).eq(table[number])
        # Of the memory, too.
        last_address = Signal(16, reset_less=True)
        last_segment = Signal.like(segment, reset_less=True)
        m.d.sync += [
            last_address.eq(Array(Const(shape.depth - 1, 16) for shape in shapes)[memory]),
            last_segment.eq(Array(Const(shape.segments - 1, len(segment)) for shape in shapes)[memory]),
        ]

        # b of segment 0; the others are its inverse where their number has the bit that the background tells apart.
        value = Signal(32, reset_less=True)
        with m.Switch(now["background"]):
            for index, pattern in enumerate(BITS, 1):
                with m.Case(index):
                    m.d.sync += value.eq(Const(pattern, 32) ^ (address[0].replicate(32) if index == 1 else 0))
            with m.Case(len(BACKGROUNDS) - 1):
                m.d.sync += value.eq(Cat(address, ~address))
            with m.Default():
                m.d.sync += value.eq(0)
        inverted = Signal(4, reset_less=True)  # by the segment's number modulo 4
        by_bit = [now["background"] == BACKGROUNDS.index(f"segment bit {bit}") for bit in range(2)]
        m.d.sync += inverted.eq(Mux(by_bit[0], 0b1010, Mux(by_bit[1], 0b1100, 0)))

        start = Signal()
        read, write = Signal(), Signal()
        issue = Signal()  # a segment enters the comparison
        seen = self._memories(m, memory, address, segment, read, write, value, inverted, now)
        wrong, expected, got, segment_then = self._comparison(m, memory, segment, issue, seen, value, inverted, now)

        done, failed = Signal(), Signal()
        failures, cycles = Signal(32), Signal(32)
        first = {
            name: Signal(width, name=f"first_{name}", reset_less=True)
            for name, width in (
                ("memory", len(memory)), ("address", 16 if self.external is None else ADDRESS_BITS), ("segment", len(segment)),
                ("expected", 32), ("got", 32), ("pass", len(number)),
            )
        }  # fmt: skip
        with m.If(wrong):
            m.d.sync += [failures.eq(failures + 1), failed.eq(1)]
            with m.If(~failed):
                m.d.sync += [
                    first["memory"].eq(memory), first["address"].eq(address), first["segment"].eq(segment_then),
                    first["expected"].eq(expected), first["got"].eq(got), first["pass"].eq(number),
                ]  # fmt: skip

        wait = Signal(2)
        outside = None if self.external is None else ExternalMemoryTester(self.external.tested)
        with m.If(self.busy if outside is None else self.busy & ~outside.waiting):
            m.d.sync += cycles.eq(cycles + 1)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(start):
                    m.d.sync += [
                        memory.eq(0), number.eq(0), done.eq(0), failed.eq(0), failures.eq(0), cycles.eq(0),
                    ]  # fmt: skip
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += address.eq(Mux(now["down"], last_address, 0))
                m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += [wait.eq(0), segment.eq(0)]
                m.next = "WRITE"
                with m.If(now["reads"]):
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += read.eq(1)
                m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += wait.eq(wait + 1)
                with m.If(wait == 1):
                    m.d.sync += wait.eq(0)
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.comb += issue.eq(1)
                m.d.sync += segment.eq(segment + 1)
                with m.If(segment == last_segment):
                    m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += wait.eq(wait + 1)
                with m.If(wait == 2):
                    m.next = "NEXT"
                    with m.If(now["writes"]):
                        m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += write.eq(1)
                m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += address.eq(Mux(now["down"], address - 1, address + 1))
                m.next = "PREPARE"
                with m.If(address == Mux(now["down"], 0, last_address)):
                    m.d.sync += number.eq(number + 1)
                    m.next = "SETTLE"
                    with m.If(number == len(PASSES) - 1):
                        m.d.sync += [number.eq(0), memory.eq(memory + 1)]
                        with m.If(memory == count - 1):
                            if outside is None:
                                m.d.sync += done.eq(1)
                                m.next = "IDLE"
                            else:
                                m.next = "OUTSIDE"
            if outside is not None:
                with m.State("OUTSIDE"):
                    m.d.comb += outside.begin.eq(1)
                    m.next = "TESTED OUTSIDE"
                with m.State("TESTED OUTSIDE"), m.If(~outside.busy):
                    m.d.sync += done.eq(1)
                    with m.If(outside.silent):
                        m.d.sync += failed.eq(1)
                    m.next = "IDLE"
        m.d.comb += [self.busy.eq(~fsm.ongoing("IDLE")), self.error.eq(failed)]

        status = Signal(32)
        m.d.comb += [
            status[MemoryTestStatus.BUSY].eq(self.busy),
            status[MemoryTestStatus.DONE].eq(done),
            status[MemoryTestStatus.FAILED].eq(failed),
            status[MemoryTestStatus.MEMORY :].eq(memory),
        ]
        identity = memory_list_identity(shapes, self.external)
        values: dict[Any, Any] = {
            MemoryTestRegister.MAGIC: Const(MAGIC, 32), MemoryTestRegister.FORMAT: Const(MEMORY_TEST_FORMAT, 32),
            MemoryTestRegister.IDENTITY_LOW: Const(identity & 0xFFFFFFFF, 32), MemoryTestRegister.IDENTITY_HIGH: Const(identity >> 32, 32),
            MemoryTestRegister.FAILURES: failures, MemoryTestRegister.STATUS: status, MemoryTestRegister.CYCLES: cycles,
            MemoryTestRegister.MEMORY: first["memory"], MemoryTestRegister.ADDRESS: first["address"],
            MemoryTestRegister.CLOCK: Const(self.clock_hz, 32), MemoryTestRegister.SEGMENT: first["segment"],
            MemoryTestRegister.EXPECTED: first["expected"], MemoryTestRegister.GOT: first["got"], MemoryTestRegister.PASS: first["pass"],
        }  # fmt: skip
        if outside is not None:
            m.d.comb += [status[MemoryTestStatus.SILENT].eq(outside.silent), status[MemoryTestStatus.PASS :].eq(outside.walk)]
            values |= self._outside(m, outside, start, memory, first, failures, failed)
        self._port(m, values, start)
        return m

    def _outside(
        self, m: Module, outside: ExternalMemoryTester, start: Signal, memory: Signal, first: dict[str, Signal], failures: Signal,
        failed: Signal,
    ) -> dict[Any, Any]:  # fmt: skip
        """The external memory's wrong words, with the others and by themselves: its registers."""
        m.submodules.outside = outside
        connect(m, outside.memory, flipped(self.memory))
        count, cycles, bits = Signal(32), Signal(32), Signal(32)
        with m.If(start & ~self.busy):
            m.d.sync += [count.eq(0), cycles.eq(0), bits.eq(0)]
        with m.Elif(outside.busy & ~outside.waiting):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(outside.wrong):
            m.d.sync += [
                failures.eq(failures + 1), failed.eq(1), count.eq(count + 1), bits.eq(bits | outside.expected ^ outside.got),
            ]  # fmt: skip
            with m.If(failed == 0):
                m.d.sync += [
                    first["memory"].eq(memory), first["address"].eq(outside.address), first["segment"].eq(0),
                    first["expected"].eq(outside.expected), first["got"].eq(outside.got), first["pass"].eq(outside.walk),
                ]  # fmt: skip
        return {
            MemoryTestRegister.EXTERNAL_FAILURES: count, MemoryTestRegister.EXTERNAL_BITS: bits,
            MemoryTestRegister.EXTERNAL_CYCLES: cycles,
        }  # fmt: skip

    def _memories(
        self, m: Module, memory: Any, address: Any, segment: Any, read: Any, write: Any, value: Any, inverted: Any,
        now: dict[str, Signal],
    ) -> list[Signal]:  # fmt: skip
        """The memories, each behind registers of its own, for they lie all over a device; of each, one cycle later, the
        segment ``segment`` of its word."""
        seen = []
        for index, shape in enumerate(self.shapes):
            m.submodules[f"memory_{index}"] = tested = self.make(shape)
            chosen = memory == index
            data = Signal(32, name=f"data_{index}", reset_less=True)
            inverse = Signal(4, name=f"inverse_{index}", reset_less=True)
            place = Signal(ceil_log2(shape.depth), name=f"address_{index}", reset_less=True)
            reading = Signal(name=f"read_{index}")
            even, odd = Signal(name=f"even_{index}"), Signal(name=f"odd_{index}")
            m.d.sync += [
                data.eq(value ^ now["write_inverse"].replicate(32)),
                inverse.eq(inverted),
                place.eq(address),
                reading.eq(read & chosen),
                even.eq(write & chosen & now["even"]),
                odd.eq(write & chosen & now["odd"]),
            ]
            m.d.comb += [
                tested.address.eq(place),
                tested.read.eq(reading),
                tested.write.eq(Cat(odd if granule % 2 else even for granule in range(shape.granules))),
                tested.data.eq(Cat(data ^ inverse[number % 4].replicate(32) for number in range(shape.segments))),
            ]
            shown = Signal(32, name=f"shown_{index}", reset_less=True)
            m.d.sync += shown.eq(tested.word.word_select(segment, 32) if shape.segments > 1 else tested.word)
            seen.append(shown)
        return seen

    def _comparison(
        self, m: Module, memory: Any, segment: Any, issue: Any, seen: list[Signal], value: Any, inverted: Any,
        now: dict[str, Signal],
    ) -> tuple[Signal, Signal, Signal, Signal]:  # fmt: skip
        """Three cycles after ``issue``: whether the segment is wrong, what it should be, what it is, which it is."""
        bases = [sum(shape.segments for shape in self.shapes[:index]) for index in range(len(self.shapes))]
        total = sum(shape.segments for shape in self.shapes)
        lane = Signal(range(total + 1))
        m.d.comb += lane.eq(Array(Const(base, len(lane)) for base in bases)[memory] + segment)
        held, even = [], []
        for shape in self.shapes:
            for number in range(shape.segments):
                bits = range(32 * number, min(32 * number + 32, shape.width))
                held.append(Const((1 << len(bits)) - 1, 32))
                even.append(Const(sum(1 << bit % 32 for bit in bits if bit // shape.granularity % 2 == 0), 32))
        wanted = [Signal(32, name=f"wanted_{stage}", reset_less=True) for stage in range(3)]
        found = [Signal(32, name=f"found_{stage}", reset_less=True) for stage in range(2)]
        which = [Signal.like(segment, name=f"which_{stage}", reset_less=True) for stage in range(3)]
        valid = [Signal(name=f"valid_{stage}") for stage in range(2)]
        wrong = Signal()
        inverse = now["read_inverse"] ^ inverted.bit_select(segment[:2], 1)
        m.d.sync += [
            wanted[0].eq((value ^ inverse.replicate(32) ^ Mux(now["read_even"], Array(even)[lane], 0)) & Array(held)[lane]),
            wanted[1].eq(wanted[0]),
            wanted[2].eq(wanted[1]),
            found[0].eq(Array(seen)[memory]),
            found[1].eq(found[0]),
            which[0].eq(segment),
            which[1].eq(which[0]),
            which[2].eq(which[1]),
            valid[0].eq(issue),
            valid[1].eq(valid[0]),
            wrong.eq(valid[1] & (found[0] != wanted[1])),
        ]
        return wrong, wanted[2], found[1], which[2]

    def _port(self, m: Module, values: dict[Any, Any], start: Signal) -> None:
        """Answers the host."""
        port = self.port
        request = Signal(REQUEST, reset_less=True)
        numbered = {register.value: value for register, value in values.items()}
        known = {register.value for register in MemoryTestRegister}
        by_number = Array(numbered.get(number, Const(0, 32)) for number in range(32))
        offset = request.address[:24]
        in_registers = Signal()
        m.d.comb += in_registers.eq(
            (request.address[24:] == Region.REGISTERS.value) & offset.matches(*sorted(known))
        )
        result = Signal(32, reset_less=True)
        status = Signal(Status, reset_less=True)
        m.d.comb += [port.response.p.data.eq(result), port.response.p.status.eq(status)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += port.request.ready.eq(1)
                with m.If(port.request.valid):
                    m.d.sync += request.eq(port.request.p)
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.d.sync += [result.eq(0), status.eq(Status.OK)]
                with m.If(~in_registers):
                    m.d.sync += status.eq(Status.ADDRESS)
                with m.Elif(~request.write):
                    m.d.sync += result.eq(by_number[offset[:5]])
                with m.Elif(offset != MemoryTestRegister.CONTROL.value):
                    m.d.sync += status.eq(Status.READ_ONLY)
                with m.Elif(request.data[0]):
                    m.d.comb += start.eq(1)
                m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += port.response.valid.eq(1)
                with m.If(port.response.ready):
                    m.next = "IDLE"
