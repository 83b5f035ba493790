# amaranth: UnusedElaboratable=no
"""Proofs about the buses: what is offered stays until it is taken, each request has exactly one answer, and nothing that is
offered waits for somebody to be ready."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Cat, Cover, Elaboratable, Module, Signal, Value

from macaw.boards.executable import find_tool
from macaw.hw.bus.axi_lite import AxiLite
from macaw.hw.bus.axi_stream import AxiStream
from macaw.hw.bus.core_arbiter import CoreArbiter
from macaw.hw.bus.wishbone import Wishbone
from macaw.hw.errors import CheckFailed
from macaw.sim.bus_contracts import BusContract, Channel, axi_lite_channels, axi_stream_channel
from macaw.sim.proof import prove

PLACES = {"input_first": 1, "input_words": 2, "output_first": 3, "output_words": 2}


def inputs(component: Any) -> list[Value]:
    """All inputs of a component."""
    return [Value.cast(value) for _, member, value in component.signature.flatten(component) if member.flow.name == "In"]


def paths(component: Any, folder: Path, outputs: list[str], sources: list[str]) -> list[str]:
    """Pairs of an output and an input with a way between them that meets no register."""
    (folder / "component.il").write_text(rtlil.convert(component, name="top", emit_src=False))
    pairs = [(output, source) for output in outputs for source in sources]
    script = ["read_rtlil component.il", "prep -flatten -top top", "opt_clean"]
    for number, (output, source) in enumerate(pairs):
        script += [f"select -set cone o:{output} %ci*:-$dff,$sdff,$dffe,$sdffe,$sdffce,$aldff", f"select -write {number}.txt @cone i:{source} %i"]
    tool = find_tool("yosys")
    subprocess.run([str(tool.path), "-q", "-p", "; ".join(script)], cwd=folder, check=True, capture_output=True)
    return [f"{source} -> {output}" for number, (output, source) in enumerate(pairs) if (folder / f"{number}.txt").read_text().strip()]


@pytest.mark.slow
def test_axi_lite(tmp_path: Path) -> None:
    lite = AxiLite(4)
    channel = axi_lite_channels(lite.bus)
    answers = [(channel["aw"].transfer, channel["b"].transfer), (channel["w"].transfer, channel["b"].transfer)]
    spec = BusContract(
        lite, gives=[channel["b"], channel["r"]], takes=[channel["aw"], channel["w"], channel["ar"]],
        answers=[*answers, (channel["ar"].transfer, channel["r"].transfer)], core=lite.core,
    )  # fmt: skip
    prove(spec, inputs(lite), tmp_path, depth=13, bounded=True, cover=14)


@pytest.mark.slow
@pytest.mark.parametrize("pipelined", [False, True])
def test_wishbone(pipelined: bool, tmp_path: Path) -> None:
    """While the master holds its cycle; without a pipeline an end belongs to the request that stands there."""
    slave = Wishbone(4, pipelined=pipelined)
    bus = slave.bus
    ended = bus.ack | bus.err
    request = Channel(Cat(bus.adr, bus.we, bus.sel, bus.dat_w), bus.cyc & bus.stb, ~bus.stall if pipelined else ended)
    spec = BusContract(
        slave, gives=[], takes=[request], answers=[(request.transfer, ended)] if pipelined else [], core=slave.core
    )
    spec.rules.append(~(bus.ack & bus.err))
    if pipelined:
        spec.assumed.append(bus.cyc | ~spec.pending[0])
    else:
        spec.rules.append(~ended | (bus.cyc & bus.stb))
    spec.covers += [bus.ack & ~bus.we, bus.err & bus.we]
    prove(spec, inputs(slave), tmp_path, depth=12, bounded=True, cover=14)


def _stream(start: dict[str, int]) -> tuple[AxiStream, BusContract]:
    stream = AxiStream(4, **start)
    i, o = axi_stream_channel(stream.i), axi_stream_channel(stream.o)
    request, response = Channel.of(stream.host.request), Channel.of(stream.host.response)
    packets = (i.transfer & stream.i.tlast, o.transfer & stream.o.tlast)
    spec = BusContract(
        stream, gives=[o, response], takes=[i, request], answers=[packets, (request.transfer, response.transfer)], core=stream.core
    )
    return stream, spec


@pytest.mark.slow
def test_axi_stream(tmp_path: Path) -> None:
    """Whatever the core answers; an answer begins when its packet has ended."""
    stream, spec = _stream(PLACES)
    spec.rules.append(~stream.o.tvalid | spec.pending[0])
    spec.covers += [stream.o.tvalid & stream.o.tuser, stream.o.tvalid & ~stream.o.tuser & stream.o.tlast]
    prove(spec, inputs(stream), tmp_path, depth=18, bounded=True, cover=40)


class _Fair(Elaboratable):
    """An arbiter whose masters wait for one access of the other at most."""

    def __init__(self, arbiter: CoreArbiter) -> None:
        self.arbiter = arbiter

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.arbiter = self.arbiter
        requests = [Channel.of(port.request) for port in self.arbiter.ports]
        for number, (own, other) in enumerate((requests, reversed(requests))):
            passed = Signal(name=f"passed_{number}")  # the other one was served while this one waited
            m.d.sync += passed.eq(own.valid & ~own.ready & (passed | other.transfer))
            m.d.comb += [Assert(~passed | ~other.transfer), Cover(passed & own.transfer)]
        return m


@pytest.mark.slow
def test_core_arbiter(tmp_path: Path) -> None:
    arbiter = CoreArbiter()
    pairs = [(Channel.of(port.request), Channel.of(port.response)) for port in arbiter.ports]
    spec = BusContract(
        _Fair(arbiter), gives=[response for _, response in pairs], takes=[request for request, _ in pairs],
        answers=[(request.transfer, response.transfer) for request, response in pairs], core=arbiter.core,
    )  # fmt: skip
    prove(spec, inputs(arbiter), tmp_path, depth=12, bounded=True, cover=14)


def test_contracts_can_fail(tmp_path: Path) -> None:
    """A slave whose core answers twice is refused, and so is one that must hold what nobody holds."""
    lite = AxiLite(4)
    channel = axi_lite_channels(lite.bus)
    spec = BusContract(
        lite, gives=[channel["b"]], takes=[], answers=[(channel["ar"].transfer, channel["b"].transfer)], core=lite.core
    )
    with pytest.raises(CheckFailed, match="Not proved"):
        prove(spec, inputs(lite), tmp_path, depth=12, bounded=True)


def test_offers_do_not_wait(tmp_path: Path) -> None:
    """No combinational way from an input to what the standards say must not wait for it; the check finds one where there is one."""
    valids = ["bus__bvalid", "bus__rvalid", "bus__awready", "bus__wready", "bus__arready", "core__request__valid"]
    readies = ["bus__bready", "bus__rready", "bus__awvalid", "bus__wvalid", "bus__arvalid", "core__request__ready"]
    assert paths(AxiLite(4), tmp_path, valids, readies) == []
    stream, _ = _stream(PLACES)
    assert paths(stream, tmp_path, ["o__tvalid", "o__tdata", "o__tlast", "o__tuser", "i__tready"], ["i__tvalid", "i__tlast", "o__tready"]) == []
    offers = ["bus__ack", "bus__err", "bus__stall"]
    assert paths(Wishbone(4, pipelined=True), tmp_path, offers, ["bus__stb", "bus__we", "bus__sel", "core__request__ready"]) == []
    assert paths(Wishbone(4), tmp_path, offers[:2], ["bus__cyc"]) == ["bus__cyc -> bus__ack", "bus__cyc -> bus__err"]
