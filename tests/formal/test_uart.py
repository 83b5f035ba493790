# amaranth: UnusedElaboratable=no
"""Proofs about the serial line: the receiver stays in its states, and gives every byte that the transmitter is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Signal

from macaw.hw.bus.uart import UartReceiver, UartTransmitter
from macaw.sim.proof import prove, recorded_machines

DIVISOR = 4


class _States(Elaboratable):
    """Anything on the line."""

    def __init__(self) -> None:
        self.receiver = UartReceiver(DIVISOR)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        with recorded_machines() as machines:
            m.submodules.receiver = self.receiver.elaborate(platform)
        (machine,) = machines
        m.d.comb += [Assert(machine.state < len(machine.encoding)), Cover(machine.state == machine.encoding["break"])]
        return m


class _Line(Elaboratable):
    """One byte through both."""

    def __init__(self) -> None:
        self.transmitter, self.receiver = UartTransmitter(DIVISOR), UartReceiver(DIVISOR)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.transmitter, m.submodules.receiver = sender, receiver = self.transmitter, self.receiver
        m.d.comb += receiver.rx.eq(sender.tx)
        sent, value = Signal(), Signal(8)
        m.d.comb += Assume(~(sender.i.valid & sent))
        with m.If(sender.i.valid & sender.i.ready):
            m.d.sync += [sent.eq(1), value.eq(sender.i.payload)]
        m.d.comb += [
            Assert(~receiver.o.valid | (sent & (receiver.o.payload == value))),
            Assert(~receiver.error),
            Cover(receiver.o.valid & (receiver.o.payload == 0x4D)),
        ]
        return m


@pytest.mark.slow
def test_states(tmp_path: Path) -> None:
    spec = _States()
    prove(spec, [spec.receiver.rx, spec.receiver.o.ready], tmp_path, depth=2)


@pytest.mark.slow
def test_byte(tmp_path: Path) -> None:
    spec = _Line()
    ports = [spec.transmitter.i.payload, spec.transmitter.i.valid, spec.receiver.o.ready]
    prove(spec, ports, tmp_path, depth=48, bounded=True, cover=48)
