# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.bus.uart."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.bus.uart import UartReceiver, UartTransmitter
from macaw.hw.errors import UserError
from macaw.sim.golden.uart import decode_levels, encode_byte
from macaw.sim.simulator import run_bench


@pytest.mark.parametrize("divisor", [3, 0, -1, 65537, 4.0, True])
@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
def test_divisor_rule(component: type, divisor: object) -> None:
    with pytest.raises(UserError, match="integer from 4 to 65536 clock cycles a bit"):
        component(divisor)


def test_golden_round_trip() -> None:
    levels = [level for value in range(256) for bit in encode_byte(value) for level in [bit] * 5] + [1] * 60
    assert decode_levels(levels, 5) == (list(range(256)), 0)


@pytest.mark.parametrize(("simulator", "divisor"), [("verilator", 16), ("icarus", 4), ("icarus", 7)])
def test_receiver(tmp_path: Path, simulator: str, divisor: int) -> None:
    receiver = UartReceiver(divisor)
    run_bench(
        receiver, top="uart_receiver", test_module="macaw.sim.bench.uart", build_dir=tmp_path, simulator=simulator,
        parameters={"divisor": divisor, "latency": receiver.latency}, test_filter=r"\.receive",
    )  # fmt: skip


@pytest.mark.parametrize(("simulator", "divisor"), [("verilator", 4), ("icarus", 5)])
def test_transmitter(tmp_path: Path, simulator: str, divisor: int) -> None:
    transmitter = UartTransmitter(divisor)
    run_bench(
        transmitter, top="uart_transmitter", test_module="macaw.sim.bench.uart", build_dir=tmp_path,
        simulator=simulator, parameters={"divisor": divisor, "latency": transmitter.latency}, test_filter=r"\.transmit",
    )  # fmt: skip
