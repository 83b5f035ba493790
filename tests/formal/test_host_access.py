# amaranth: UnusedElaboratable=no
"""Proofs about the host's accesses: inside the memories, nothing of the engine's while it runs, an answer to each in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal, Value

from macaw.hw.config import EngineConfig
from macaw.hw.control.host_access import HostAccess
from macaw.sim.proof import prove

CONFIG = EngineConfig(p=3, m=5, n=3, feature_depth=24, weight_depth=20, program_depth=20, tap_depth=5)
"""Sizes that are no powers of two: each has addresses behind its end."""


class _Map(Elaboratable):
    """Requests of any kind at any time."""

    def __init__(self) -> None:
        self.host = HostAccess(CONFIG)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.host = host = self.host
        places = (
            (host.program_write, host.program_address, CONFIG.program_depth),
            (host.tap_write, host.tap_address, CONFIG.tap_depth),
            (host.weight_write, host.weight_address, CONFIG.weight_depth),
            (host.feature_write, host.feature_address, CONFIG.feature_depth),
        )
        writes = [enable.any() for enable, _, _ in places]
        for enable, address, depth in places:
            m.d.comb += Assert(~enable.any() | (address < depth))
            m.d.comb += Assert((enable & (enable - 1)[: len(enable)]) == 0)  # at most one segment
            m.d.comb += Cover(enable.any() & (address == depth - 1))
        m.d.comb += [
            Assert(~writes[3] | (host.feature_bank < CONFIG.p)),
            Assert(sum(writes, Value.cast(host.register_write)) <= 1),
        ]
        # The program's, taps' and weights' writes come two cycles after busy was looked at.
        busy = [Signal(name=f"busy_{cycle}") for cycle in range(2)]
        m.d.sync += [busy[0].eq(host.busy), busy[1].eq(busy[0])]
        m.d.comb += Assert(~busy[1] | ~(writes[0] | writes[1] | writes[2]))
        return m


class _Time(Elaboratable):
    """An asking side that takes the answer at once."""

    def __init__(self) -> None:
        self.host = HostAccess(CONFIG)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.host = host = self.host
        request, response = host.port.request, host.port.response
        waiting = Signal(range(40))
        with m.If(request.valid & request.ready):
            m.d.sync += waiting.eq(1)
        with m.Elif(waiting != 0):
            m.d.sync += waiting.eq(Mux(response.valid, 0, waiting + 1))
        m.d.comb += [
            Assume(response.ready),
            Assert(waiting <= 21),
            Assert(~response.valid | ~request.ready),
            Cover(waiting == 20),
        ]
        return m


def _ports(host: HostAccess) -> list[Any]:
    request, response = host.port.request, host.port.response
    return [
        Value.cast(request.payload), request.valid, response.ready, host.busy, host.register_value, host.feature_free,
        host.feature_word,
    ]  # fmt: skip


def test_map(tmp_path: Path) -> None:
    spec = _Map()
    prove(spec, _ports(spec.host), tmp_path, depth=4, cover=8)


@pytest.mark.slow
def test_time(tmp_path: Path) -> None:
    """In every run of 26 cycles."""
    spec = _Time()
    prove(spec, _ports(spec.host), tmp_path, depth=26, bounded=True, cover=24)
