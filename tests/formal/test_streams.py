# amaranth: UnusedElaboratable=no
"""Proofs: every stream that a component gives keeps its payload until it is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Value

from macaw.hw.bus.byte_queue import ByteQueue
from macaw.hw.bus.frame_bridge import FrameBridge
from macaw.hw.bus.stream_register import StreamRegister
from macaw.hw.bus.uart import UartReceiver
from macaw.hw.config import EngineConfig
from macaw.hw.control.host_access import HostAccess
from macaw.sim.contracts import StreamContract
from macaw.sim.proof import prove


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
