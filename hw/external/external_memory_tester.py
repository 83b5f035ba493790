"""The external memory's part of the memory tester: march tests through its port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError
from ..memory.march import BITS, march_c
from .memory_port import ADDRESS_BITS, MOST_WORDS, MemoryPort
from .weight_stream import SILENCE

__all__ = ["EXTERNAL_BACKGROUNDS", "EXTERNAL_PASSES", "REGION", "ExternalMemoryTester", "ExternalShape", "burst_words"]

EXTERNAL_BACKGROUNDS = ("zeros", "bit 0", "bit 1", "bit 2", "bit 3", "bit 4", "address")
"""What the passes fill the memory with. Bit i of the word at address a is: 0; bit k of i (with bit 0 also inverted at odd
addresses); bit i of a for i < 24, inverted bit i - 24 of a above, so that no two words are alike."""

EXTERNAL_PASSES = tuple(walk for background in range(len(EXTERNAL_BACKGROUNDS)) for walk in march_c(background))
"""March C- over each background."""

REGION = 4096
"""The memory is restarted in front of every so many words, so that all regions take the same cycles."""


def burst_words(background: int) -> int:
    """Words that are read, then written, at once."""
    return MOST_WORDS if background else 1


@dataclass(frozen=True, kw_only=True)
class ExternalShape:
    """An external memory under test: its name, its size in 32-bit words, and how many of them are tested, from address 0 on.

    Raises UserError if these are not a multiple of MOST_WORDS, or more than there are.
    """

    name: str
    words: int
    tested: int

    def __post_init__(self) -> None:
        most = min(self.words, 1 << ADDRESS_BITS)
        if self.tested % MOST_WORDS or not MOST_WORDS <= self.tested <= most:
            raise UserError(
                f"Of an external memory a multiple of {MOST_WORDS} words is tested, {most} at most, not {self.tested} ({self.name})."
            )


class ExternalMemoryTester(wiring.Component):
    """Runs EXTERNAL_PASSES over the words ``0 .. words - 1`` of a memory, and shows each word that is wrong.

    A pass goes burst by burst, up or down; a burst is read and compared, then written; inside of a burst addresses always rise.
    Over the first background a burst is one word: March C- as it is published, which finds bits that are stuck or change in
    one direction only, wrong decoders (lines of rows, columns, banks that are open, stuck or short: two addresses, one cell), and
    couplings between any two words. Over the others a burst is 64 words, so that rows are used as engines use them. There the
    coupling of a bit with one in a later word of the same burst is not found, for that one is written before it is
    read. Bits of one word are all told apart by the backgrounds "bit 0" to "bit 4": what joins two of them, or two data pins, is found,
    as is whatever disturbs one half of a word with the other. Data lines, or address lines of one kind, that are only exchanged
    make another order of the same cells: no test can see that, and no user either. In a memory of 32 MiB at 75 MHz a word waits 0.2 s
    or more between two passes, three times the 64 ms that it may go without refresh, so refreshing is tested, too; in a small part of
    it, it is not.

    Parameters
    ----------
    words : int
        A multiple of MOST_WORDS.
    region : int
        Words from one restart of the memory to the next; a power of two, MOST_WORDS or more.
    silence : int
        Cycles without an answer after which the memory counts as silent.

    Members
    -------
    memory : Out(MemoryPort())
    begin : In(1)
        One cycle while not busy: starts the test.
    busy : Out(1)
        From the cycle after ``begin`` until all is tested, or the memory is silent.
    waiting : Out(1)
        The memory is not initialized yet.
    wrong : Out(1)
        One cycle for each wrong word, while busy: the members below tell which.
    address : Out(ADDRESS_BITS), expected : Out(32), got : Out(32), walk : Out(range(len(EXTERNAL_PASSES)))
        The word, and the number of the pass.
    silent : Out(1)
        The memory was not initialized, did not take a command or a word, or did not give one, for ``silence`` cycles. Such a
        memory is not asked again before a reset: what it owes might come later.

    **Timing.** With ``waiting`` left out, a pass takes 2 cycles, and each region of it 1 for the restart and those of its
    bursts: the next command is on the port in the cycle behind the burst's last word if that was read and is to be written,
    one later else. 1 cycle ends the test. With the memory's cycles (sim/cost/external_memory.py) sim/cost/memory_test.py
    predicts all of it.

    **Reset.** Idle; the memory counts as not silent.
    """

    memory: Any
    begin: Signal
    busy: Signal
    waiting: Signal
    wrong: Signal
    address: Signal
    expected: Signal
    got: Signal
    walk: Signal
    silent: Signal

    def __init__(self, words: int, *, region: int = REGION, silence: int = SILENCE) -> None:
        self.words = words
        self.region = region
        self.silence = silence
        super().__init__(
            {
                "memory": Out(MemoryPort()), "begin": In(1), "busy": Out(1), "waiting": Out(1), "wrong": Out(1),
                "address": Out(ADDRESS_BITS), "expected": Out(32), "got": Out(32), "walk": Out(range(len(EXTERNAL_PASSES))),
                "silent": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        memory = self.memory
        number = Signal.like(self.walk)

        # Of the pass, one cycle after its number.
        fields = {
            "down": 1, "reads": 1, "read_inverse": 1, "writes": 1, "write_inverse": 1, "single": 1, "checker": 1, "address": 1,
            "pattern": 32,
        }  # fmt: skip
        now = {name: Signal(width, name=name, reset_less=True) for name, width in fields.items()}
        rows = []
        for item in EXTERNAL_PASSES:
            name = EXTERNAL_BACKGROUNDS[item.background]
            pattern = BITS[item.background - 1] if name.startswith("bit") else 0
            rows.append(
                Cat(
                    item.down, item.read != "", item.read == "~b", item.write != "", item.write == "~b",
                    burst_words(item.background) == 1, name == "bit 0", name == "address", Const(pattern, 32),
                )
            )  # fmt: skip
        m.d.sync += Cat(now.values()).eq(Array(rows)[number])

        # The burst's first word, the word in it, and what lies there.
        burst = Signal(ADDRESS_BITS, reset_less=True)
        index = Signal(range(MOST_WORDS))
        place = Signal(ADDRESS_BITS)
        background = Signal(32)
        last_word = Signal()
        step = Mux(now["single"], 1, MOST_WORDS)
        m.d.comb += [
            place.eq(burst | index),
            background.eq(
                Mux(now["address"], Cat(place, ~place[: 32 - ADDRESS_BITS]), now["pattern"] ^ (now["checker"] & place[0]).replicate(32))
            ),
            last_word.eq(now["single"] | (index == MOST_WORDS - 1)),
            memory.read.ready.eq(1),
            memory.command.p.address.eq(burst),
            memory.command.p.words_last.eq(Mux(now["single"], 0, MOST_WORDS - 1)),
            memory.write.payload.eq(background ^ now["write_inverse"].replicate(32)),
        ]

        # One burst later: behind the last one of the pass, and where a region ends.
        following = Signal(ADDRESS_BITS)
        last_burst, region_ends = Signal(), Signal()
        edge = Mux(now["down"], burst, following)
        m.d.comb += [
            following.eq(Mux(now["down"], burst - step, burst + step)),
            last_burst.eq(Mux(now["down"], burst == 0, burst == self.words - step)),
            region_ends.eq(edge[: (self.region - 1).bit_length()] == 0),
        ]

        # A word that comes is compared behind two registers.
        arrives = Signal()
        fresh = Signal()
        taken = {
            name: Signal(width, name=f"taken_{name}", reset_less=True)
            for name, width in (("address", ADDRESS_BITS), ("expected", 32), ("got", 32))
        }
        m.d.sync += [
            fresh.eq(arrives),
            taken["address"].eq(place), taken["expected"].eq(background ^ now["read_inverse"].replicate(32)),
            taken["got"].eq(memory.read.payload),
            self.wrong.eq(fresh & (taken["expected"] != taken["got"])),
            self.address.eq(taken["address"]), self.expected.eq(taken["expected"]), self.got.eq(taken["got"]),
            self.walk.eq(number),
        ]  # fmt: skip

        quiet = Signal(range(self.silence))
        moves = Signal()  # nothing is waited for, or it comes
        m.d.comb += moves.eq(1)
        m.d.sync += quiet.eq(Mux(moves, 0, quiet + 1))

        def first(reads: Any) -> None:
            """On to a burst's first command."""
            m.next = "WRITE"
            with m.If(reads):
                m.next = "READ"

        def wait(event: Any) -> Any:
            """For the memory."""
            m.d.comb += moves.eq(event)
            with m.If(~event & (quiet == self.silence - 1)):
                m.d.sync += self.silent.eq(1)
                m.next = "IDLE"
            return m.If(event)

        with m.FSM() as fsm:
            with m.State("IDLE"), m.If(self.begin & ~self.silent):
                m.d.sync += number.eq(0)
                m.next = "INITIALIZE"
            with m.State("INITIALIZE"):
                m.d.comb += self.waiting.eq(1)
                with wait(memory.ready):
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += burst.eq(Mux(now["down"], self.words - step, 0))
                m.next = "RESTART"
            with m.State("RESTART"):
                m.d.comb += memory.restart.eq(1)
                first(now["reads"])
            with m.State("READ"):
                m.d.comb += memory.command.valid.eq(1)
                with wait(memory.command.ready):
                    m.next = "COMPARE"
            with m.State("COMPARE"), wait(memory.read.valid):
                m.d.comb += arrives.eq(1)
                m.d.sync += index.eq(index + 1)
                with m.If(last_word):
                    m.d.sync += index.eq(0)
                    m.next = "NEXT"
                    with m.If(now["writes"]):
                        m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [memory.command.valid.eq(1), memory.command.p.write.eq(1)]
                with wait(memory.command.ready):
                    m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += memory.write.valid.eq(1)
                with wait(memory.write.ready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(last_word):
                        m.d.sync += index.eq(0)
                        m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += burst.eq(following)
                first(now["reads"])
                with m.If(last_burst):
                    m.d.sync += number.eq(number + 1)
                    m.next = "SETTLE"
                    with m.If(number == len(EXTERNAL_PASSES) - 1):
                        m.d.sync += number.eq(0)
                        m.next = "JUDGE"
                with m.Elif(region_ends):
                    m.next = "RESTART"
            with m.State("JUDGE"):
                m.next = "IDLE"
        m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
        return m
