"""Tests of macaw.hw.emit: the same text every time, and none that Icarus misreads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from macaw.hw.config import EngineConfig
from macaw.hw.emit import verilog, write_verilog
from macaw.hw.engine import Engine
from macaw.hw.errors import CheckFailed

CONFIG = EngineConfig(p=2, m=3, n=2, depth=2, feature_depth=16, weight_depth=16, program_depth=32, tap_depth=4)

_SCRIPT = """
from macaw.hw.config import EngineConfig
from macaw.hw.emit import verilog
from macaw.hw.engine import Engine
print(verilog(Engine(EngineConfig.from_dict({values!r})), name="core"), end="")
"""


@pytest.fixture(scope="module")
def text() -> str:
    return verilog(Engine(CONFIG), name="core")


def test_same_text_twice(text: str) -> None:
    assert verilog(Engine(CONFIG), name="core") == text


def test_same_text_in_another_process(text: str, tmp_path: Path) -> None:
    script = _SCRIPT.format(values=CONFIG.to_dict())
    environment = dict(os.environ) | {"PYTHONHASHSEED": "12345"}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == text


def test_another_engine_has_another_text(text: str) -> None:
    assert verilog(Engine(CONFIG, clock_hz=1), name="core") != text


def test_what_icarus_misreads(text: str) -> None:
    """``always @*`` blocks never wake at time zero; an escaped name that begins with $ is taken for a system function."""
    assert "always @*" not in text and "always @ *" not in text and "always_comb" not in text
    assert re.search(r"\bfunction\b[^;]*\\\$", text) is None


def test_ports_and_paths(text: str) -> None:
    assert re.search(r"^module core\(", text, re.MULTILINE)
    for port in ("port__request__payload", "port__request__valid", "port__response__ready", "busy", "error"):
        assert re.search(rf"^  (input|output) (\[\d+:0\] )?{port};$", text, re.MULTILINE), port
    assert str(Path(__file__).resolve().parents[2]) not in text


def test_write(tmp_path: Path, text: str) -> None:
    assert write_verilog(Engine(CONFIG), tmp_path / "core.v", name="core").read_text() == text


class _Multiplexer(wiring.Component):
    """A multiplexer of three words: what makes the writer use a function."""

    choice: Any
    word: Any

    def __init__(self) -> None:
        super().__init__({"choice": In(2), "word": Out(8)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        with m.Switch(self.choice):
            for number in range(3):
                with m.Case(number):
                    m.d.sync += self.word.eq(7 * number)
        return m


def test_function_names() -> None:
    found = re.findall(r"function (?:\[\d+:\d+\] +)?(\S+) *;", verilog(_Multiplexer()))
    assert found and all(re.fullmatch(r"\w+", name) for name in found)


class _Memories(wiring.Component):
    """Words that begin as 5 and, in the second memory, one that does not."""

    address: Any
    words: Any

    def __init__(self) -> None:
        super().__init__({"address": In(4), "words": Out(8).array(2)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for number, contents in enumerate(([5] * 16, [5] * 9 + [6] + [5] * 6)):
            memory = m.submodules[f"memory_{number}"] = Memory(shape=8, depth=16, init=contents)
            port = memory.read_port()
            m.d.comb += [port.addr.eq(self.address), port.en.eq(1), self.words[number].eq(port.data)]
        return m


def test_initial_words(tmp_path: Path) -> None:
    """A loop where all words begin with the same value, a line a word where they do not: the same contents either way."""
    path = write_verilog(_Memories(), tmp_path / "memories.v")
    text = path.read_text()
    assert text.count("for (i = 0; i < 16; i = i + 1)") == 1 and text.count("[9] = 8'h06;") == 1
    (tmp_path / "bench.v").write_text(
        "module bench;\n  reg clk = 0, rst = 0; reg [3:0] address; wire [7:0] first, second; integer k;\n"
        "  top dut(.clk(clk), .rst(rst), .address(address), .words__0(first), .words__1(second));\n"
        "  initial for (k = 0; k < 16; k = k + 1) begin\n"
        '    address = k; #1 clk = 1; #1 clk = 0; #1 $write("%0d%0d ", first, second);\n  end\nendmodule\n'
    )
    subprocess.run(["iverilog", "-g2005", "-o", "bench.vvp", "bench.v", path.name], cwd=tmp_path, check=True)
    run = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["55"] * 9 + ["56"] + ["55"] * 6


def test_failure_has_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macaw.hw.emit._SCRIPT", "no_such_command {rtlil:.0}\n")
    with pytest.raises(CheckFailed, match="Yosys could not write the Verilog of top: .*no_such_command"):
        verilog(_Multiplexer())
