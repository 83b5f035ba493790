# amaranth: UnusedElaboratable=no
"""Proofs: what the weight prefetcher and the map transfer offer to the external memory stays until it is taken, also when a run
is given up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Elaboratable, Fragment, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring

from macaw.hw.config import EngineConfig
from macaw.hw.external import weight_prefetcher
from macaw.hw.external.map_transfer import MapTransfer
from macaw.hw.external.memory_port import COMMAND, MOST_WORDS
from macaw.hw.external.weight_prefetcher import WeightPrefetcher
from macaw.hw.external.weight_stream import BURST_BITS, QUEUE_WORDS
from macaw.sim.contracts import StreamContract, held
from macaw.sim.proof import elaborated, prove

_SMALL: dict[str, Any] = {"p": 2, "m": 1, "n": 1, "feature_depth": 4, "weight_depth": 4, "streaming": True}


def _signals(fragment: Fragment, domain: str) -> dict[str, Signal]:
    """What a component's own statements drive."""
    return {signal.name: signal for statement in fragment.statements[domain] for signal in statement._lhs_signals()}


def _part(fragment: Fragment, name: str) -> Fragment:
    """A submodule."""
    (found,) = (part for part, called, *_ in fragment.subfragments if called == name)
    return found


class _Rested(Elaboratable):
    """A map transfer that is not dropped while a word waits, and before which there were 16 cycles without one. The assertions
    are what is true of the registers in each cycle; so a load gives nothing."""

    def __init__(self, transfer: MapTransfer) -> None:
        self.transfer = transfer

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        transfer, room = self.transfer, self.transfer.room
        m.submodules.transfer, registers, _ = elaborated(transfer, platform)
        fragment = m.submodules.transfer
        level, filling = _signals(_part(fragment, "queue"), "sync")["level"], _signals(fragment, "comb")["w_en"]
        waits, ran, stored = Signal(), Signal(), Signal()
        rest = Signal(range(room + 1), init=room)
        m.d.sync += [
            waits.eq(transfer.given.valid & ~transfer.given.ready),
            ran.eq(transfer.active),
            stored.eq(transfer.storing),
            rest.eq(Mux(transfer.active, 0, Mux(rest == room, room, rest + 1))),
        ]
        m.d.comb += [
            Assume(~waits | transfer.active),
            Assume(~transfer.active | ran | (rest == room)),
            Assume(~transfer.active | (transfer.storing == stored)),
        ]
        loads = transfer.active & ~transfer.storing
        on_way = [registers[f"on_way_{number + 1}"][0] for number in range(transfer.read_latency)]
        m.d.comb += [Assert(~loads | (level == 0) & ~filling), Assert(transfer.active | (level + rest <= room))]
        for number, word in enumerate(on_way):
            m.d.comb += [Assert(~loads | ~word), Assert(transfer.active | ~word | (rest <= number))]
        m.d.comb += Assert(~transfer.given.valid | (transfer.active & transfer.storing))
        return m


def test_map_transfer(tmp_path: Path) -> None:
    transfer = MapTransfer(EngineConfig(**_SMALL, spilling=True))
    ports = [
        Value.cast(transfer.head), Value.cast(transfer.more), transfer.storing, transfer.active, transfer.asked,
        transfer.arrived, transfer.word, transfer.given.ready, transfer.read_word,
    ]  # fmt: skip
    prove(StreamContract(_Rested(transfer), gives=[transfer.given]), ports, tmp_path, depth=2, cover=14)


class _WithMemory(Elaboratable):
    """A prefetcher whose memory gives no more words than it was asked for, and takes none but those of bursts that it has or is
    offered. The assertions are what is true of the registers in each cycle; so the streams are."""

    def __init__(self, prefetcher: WeightPrefetcher, transfer: Any = None) -> None:
        self.prefetcher, self.transfer = prefetcher, transfer

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        prefetcher, memory = self.prefetcher, self.prefetcher.memory
        m.submodules.prefetcher, registers, machine = elaborated(prefetcher, platform)
        fragment = m.submodules.prefetcher
        kept = _signals(fragment, "comb")["kept"]
        level = _signals(_part(fragment, "queue"), "sync")["level"]
        asking, room = registers["asking"], registers["room"]
        left = next(
            signal for statement in fragment.statements["sync"] for signal in statement._lhs_signals()
            if signal.name == "left" and len(signal) == BURST_BITS
        )  # not that of a map's head  # fmt: skip
        state = {name: machine.state == number for name, number in machine.encoding.items()}
        command, taken = memory.command.p, memory.command.valid & memory.command.ready
        words = Mux(asking, command.words_last + 1, 0)
        reads, writes = Signal(12), Signal(signed(12))  # words of the bursts that the memory has
        m.d.sync += [
            reads.eq(reads + Mux(taken & ~command.write, command.words_last + 1, 0) - memory.read.valid),
            writes.eq(writes + Mux(taken & command.write, command.words_last + 1, 0) - (memory.write.valid & memory.write.ready)),
        ]
        m.d.comb += [
            Assume(~memory.read.valid | (reads != 0)),
            Assume(~memory.write.ready | (writes > 0) | (memory.command.valid & command.write)),
            Assert(machine.state < len(machine.encoding)),
            # The host's word and all else are never under way at once.
            Assert(~kept | ~asking & (left == 0) & (room == QUEUE_WORDS)),
            Assert(~kept | state["REST"] | state["BEGIN"]),
        ]
        if prefetcher.config.spilling:
            m.d.comb += Assume(~prefetcher.host_write | (left == 0))
            self._maps(m, registers, state, level, kept, reads, writes, words)
        else:
            m.d.comb += [
                Assert(room + level + reads + words == QUEUE_WORDS),
                Assert(state["TAG"] | (left == 0) | asking | (room != QUEUE_WORDS)),
            ]
        return m

    def _maps(
        self, m: Module, registers: dict[str, Signal], state: dict[str, Value], level: Signal, kept: Signal, reads: Signal,
        writes: Signal, words: Value,
    ) -> None:  # fmt: skip
        """What is more where maps move: a block asks for as many words as its rows have, some 1,000 at a time, and the host writes
        nothing while bursts of the stream are left."""
        memory, transfer = self.prefetcher.memory, self.transfer
        asking, of_map, coming, due = (registers[name] for name in ("asking", "of_map", "coming", "due"))
        writing, to_write = data.View(COMMAND, registers["wanted"]).write, memory.command.p.write
        stored = Signal()
        m.d.sync += stored.eq(transfer.storing)
        m.d.comb += [
            Assume(~transfer.active | held(m, transfer.given, "given")),  # not when it is dropped
            Assume(~transfer.given.valid | (transfer.active & transfer.storing)),
            Assume(~transfer.done | (due == 0) & ~transfer.ask),
            Assume(~transfer.ask | (transfer.active & (due < 1024))),
            Assert(~transfer.active | (transfer.storing == stored)),
            Assert(due <= 1024 + MOST_WORDS),
            Assert(registers["room"] + level + coming == QUEUE_WORDS),
            Assert(state["MAP"] | state["REST"] | state["BEGIN"] | (due == 0)),
            Assert(~kept | (due == 0)),
            Assert(~state["MAP"] | (due == 0) | (writing == transfer.storing)),
            Assert(coming + Mux(writing, 0, due) == reads + Mux(to_write, 0, words)),
            Assert(writes == Mux(kept, memory.write.valid.as_unsigned() - to_write, Mux(writing, due, 0) - Mux(to_write, words, 0))),
            Assert(kept | ~to_write | (asking & of_map & writing)),
        ]


class _AnyTransfer(wiring.Component):
    """In the place of the map transfer: anything with its ports."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(MapTransfer(config).signature)

    def elaborate(self, platform: Any) -> Module:
        return Module()


def _ports(prefetcher: WeightPrefetcher) -> list[Any]:
    memory = prefetcher.memory
    return [
        prefetcher.begin, prefetcher.abandon, prefetcher.tag, prefetcher.bursts, prefetcher.passes, prefetcher.host_address,
        prefetcher.host_data, prefetcher.host_write, memory.command.ready, memory.write.ready, memory.read.valid,
        memory.read.payload, memory.ready,
    ]  # fmt: skip


@pytest.mark.slow
def test_weight_prefetcher(tmp_path: Path) -> None:
    """Bursts, and the words of the host."""
    prefetcher = WeightPrefetcher(EngineConfig(**_SMALL), silence=4)
    memory = prefetcher.memory
    spec = StreamContract(_WithMemory(prefetcher), gives=[memory.command, memory.write])
    prove(spec, _ports(prefetcher), tmp_path, depth=2, cover=14)


@pytest.mark.slow
def test_weight_prefetcher_with_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bursts of maps, too, whatever the map transfer does."""
    config = EngineConfig(**_SMALL, spilling=True)
    transfer: Any = _AnyTransfer(config)
    monkeypatch.setattr(weight_prefetcher, "MapTransfer", lambda given: transfer)
    prefetcher = WeightPrefetcher(config, silence=4)
    memory = prefetcher.memory
    ports = [
        *_ports(prefetcher), prefetcher.running, transfer.done, transfer.damaged, transfer.ask, transfer.address,
        transfer.words_last, transfer.given.payload, transfer.given.valid,
    ]  # fmt: skip
    spec = StreamContract(_WithMemory(prefetcher, transfer), gives=[memory.command, memory.write])
    prove(spec, ports, tmp_path, depth=2, cover=14)
