# amaranth: UnusedElaboratable=no
"""Proofs about the frame bridge's state machine: it stays in its states, and nothing reaches the core without a right checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Cover, Elaboratable, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from macaw.hw.bus import frame_bridge
from macaw.hw.bus.frame_bridge import FrameBridge
from macaw.sim.proof import prove, recorded_machines

EXECUTING = ("settle access", "access", "fetch", "request", "response", "store")


class _Checksum(wiring.Component):
    """In the place of the checksum unit: any values, and ``match`` when it likes."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "clear": In(1), "crc": Out(32), "match": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.i.ready.eq(1)
        _Checksum.made = self
        return m


class _Gate(Elaboratable):
    """Whatever the checksum unit says: accesses belong to a frame of which it said that it matches."""

    def __init__(self) -> None:
        self.bridge = FrameBridge(2, timeout_cycles=16, queue_depth=16)
        self.match = Signal()
        self.crc = Signal(32)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bridge = self.bridge
        with recorded_machines() as machines:
            parts = bridge.elaborate(platform)
        (machine,) = machines
        checksum = parts.submodules.checksum
        m.submodules.bridge = parts
        m.d.comb += [checksum.match.eq(self.match), checksum.crc.eq(self.crc)]
        state = {name: machine.state == number for name, number in machine.encoding.items()}
        assert set(EXECUTING) < set(state)
        executing = Signal()
        for name in EXECUTING:
            with m.If(state[name]):
                m.d.comb += executing.eq(1)
        # The bridge looks at `match` one cycle late, in its state "judge".
        matched, granted = Signal(), Signal()
        m.d.sync += matched.eq(self.match)
        with m.If(state["judge"]):
            m.d.sync += granted.eq(matched)
        with m.Elif(state["hunt"]):
            m.d.sync += granted.eq(0)
        m.d.comb += [
            Assert(machine.state < len(machine.encoding)),
            Assert(~executing | granted),
            Assert(~bridge.core.request.valid | executing),
            # Every frame's magic bytes are waited for before anything else.
            Assert(~state["hunt"] | ~bridge.o.valid),
            Cover(bridge.core.request.valid),
        ]
        return m


def _ports(spec: _Gate) -> list[Any]:
    bridge = spec.bridge
    request, response = bridge.core.request, bridge.core.response
    return [
        bridge.i.payload, bridge.i.valid, bridge.o.ready, request.ready, response.valid, Value.cast(response.payload),
        spec.match, spec.crc,
    ]  # fmt: skip


def test_nothing_without_a_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_bridge, "Crc32", _Checksum)
    spec = _Gate()
    prove(spec, _ports(spec), tmp_path, depth=2)


@pytest.mark.slow
def test_an_access_can_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof above is not empty: a frame of 14 bytes reads a word."""
    monkeypatch.setattr(frame_bridge, "Crc32", _Checksum)
    spec = _Gate()
    prove(spec, _ports(spec), tmp_path, depth=2, cover=36)
