# amaranth: UnusedElaboratable=no
"""Proofs: every stream that a component gives keeps its payload until it is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cat, Elaboratable, Module, Value

from macaw.hw.bus.axi_master import AxiMaster
from macaw.hw.bus.byte_queue import ByteQueue
from macaw.hw.bus.flash_reader import FlashReader
from macaw.hw.bus.frame_bridge import FrameBridge
from macaw.hw.bus.spi_slave import SpiSlave
from macaw.hw.bus.stream_register import StreamRegister
from macaw.hw.bus.uart import UartReceiver
from macaw.hw.config import EngineConfig
from macaw.hw.control.host_access import HostAccess
from macaw.sim.bus_contracts import Channel
from macaw.sim.contracts import StreamContract
from macaw.sim.proof import elaborated, prove


def test_stream_register(tmp_path: Path) -> None:
    register = StreamRegister(8)
    spec = StreamContract(register, gives=[register.o])
    prove(spec, [register.i.payload, register.i.valid, register.o.ready], tmp_path, depth=2, cover=8)


@pytest.mark.slow
def test_byte_queue(tmp_path: Path) -> None:
    queue = ByteQueue(4)
    spec = StreamContract(queue, gives=[queue.o])
    prove(spec, [queue.i.payload, queue.i.valid, queue.o.ready], tmp_path, depth=3, cover=12)


@pytest.mark.slow
def test_uart_receiver(tmp_path: Path) -> None:
    """Its sender cannot wait: a byte that comes too late is lost, and the one that waits stays."""
    receiver = UartReceiver(4)
    spec = StreamContract(receiver, gives=[receiver.o])
    prove(spec, [receiver.rx, receiver.o.ready], tmp_path, depth=2)


@pytest.mark.slow
def test_frame_bridge(tmp_path: Path) -> None:
    """Answers to the host and requests to the core."""
    bridge = FrameBridge(2, timeout_cycles=16, queue_depth=16)
    request, response = bridge.core.request, bridge.core.response
    spec = StreamContract(bridge, gives=[bridge.o, request], takes=[response])
    ports = [bridge.i.payload, bridge.i.valid, bridge.o.ready, request.ready, response.valid, Value.cast(response.payload)]
    prove(spec, ports, tmp_path, depth=5)


@pytest.mark.slow
def test_host_access(tmp_path: Path) -> None:
    config = EngineConfig(p=3, m=3, n=2, feature_depth=24, weight_depth=24, program_depth=20, tap_depth=5)
    host = HostAccess(config)
    request, response = host.port.request, host.port.response
    ports = [
        Value.cast(request.payload), request.valid, response.ready, host.busy, host.register_value, host.feature_free,
        host.feature_word,
    ]  # fmt: skip
    prove(StreamContract(host, gives=[response]), ports, tmp_path, depth=2, cover=20)


def test_spi_slave(tmp_path: Path) -> None:
    """Its sender cannot wait, either."""
    slave = SpiSlave()
    ports = [slave.cs, slave.sck, slave.copi, slave.i.payload, slave.i.valid, slave.o.ready]
    prove(StreamContract(slave, gives=[slave.o]), ports, tmp_path, depth=2, cover=36)


class _Reading(Elaboratable):
    """A flash reader that is not stopped."""

    def __init__(self, reader: FlashReader) -> None:
        self.reader = reader

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.reader, _, machine = elaborated(self.reader, platform)
        m.d.comb += [Assume(~self.reader.stop), Assert(machine.state != machine.encoding["stopped"])]
        return m


@pytest.mark.parametrize(("half_cycles", "cover"), [(1, 130), (2, 0)])
def test_flash_reader(half_cycles: int, cover: int, tmp_path: Path) -> None:
    """The second byte comes behind both commands."""
    reader = FlashReader(0x123456, half_cycles=half_cycles, wake_cycles=3)
    spec = StreamContract(_Reading(reader), gives=[reader.o])
    prove(spec, [reader.cipo, reader.stop, reader.o.ready], tmp_path, depth=2, cover=cover)


class _Answered(Elaboratable):
    """An AXI master whose bus answers what it was asked, and nothing else."""

    def __init__(self, master: AxiMaster) -> None:
        self.master = master

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        master, bus = self.master, self.master.bus
        m.submodules.master, registers, machine = elaborated(master, platform)
        reading = registers["reading"]
        writing = machine.state == machine.encoding["WRITE"]
        m.d.comb += [
            Assume(~bus.rvalid | (reading != 0)),
            Assume(~bus.bvalid | (writing & ~bus.awvalid & ~bus.wvalid)),  # behind what it answers
            Assert(reading <= master.outstanding),
            Assert(~writing | (reading == 0)),
            Assert(~writing | (master.port.command.valid & master.port.command.p.write)),
        ]
        return m


def test_axi_master(tmp_path: Path) -> None:
    """Both addresses and the data; what a bus answers cannot wait, and must not."""
    master = AxiMaster(outstanding=2)
    bus, port = master.bus, master.port
    gives = [
        Channel(Cat(bus.awaddr, bus.awlen), bus.awvalid, bus.awready),
        Channel(Cat(bus.wdata, bus.wlast), bus.wvalid, bus.wready),
        Channel(Cat(bus.araddr, bus.arlen), bus.arvalid, bus.arready),
    ]
    spec = StreamContract(_Answered(master), gives=gives, takes=[Channel.of(port.command), port.write])
    ports = [
        Value.cast(port.command.payload), port.command.valid, port.write.payload, port.write.valid, bus.awready, bus.wready,
        bus.arready, bus.bvalid, bus.bresp, bus.rvalid, bus.rlast, bus.rdata, bus.rresp,
    ]  # fmt: skip
    prove(spec, ports, tmp_path, depth=2, cover=16)
