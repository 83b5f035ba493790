"""Tests of macaw.sim.simulator: the verdict of a bench cannot be missed, harnesses are compiled once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from macaw.hw.bus.crc32 import Crc32
from macaw.hw.emit import write_verilog
from macaw.hw.errors import CheckFailed, UserError
from macaw.sim.simulator import bench_parameters, compile_harness, run_bench

_BENCH = """
import cocotb
from macaw.sim.simulator import bench_parameters

@cocotb.test()
async def good(dut):
    assert bench_parameters() == {"words": [1, 2], "name": "a b"}

@cocotb.test()
async def bad(dut):
    assert False

@cocotb.test()
async def crash(dut):
    import os
    os._exit(3)
"""

_MAIN = """
#include <cstdio>
#include "Vtop.h"
int main() {
    Vtop top;
    top.rst = 0;
    top.clear = 0;
    top.i___05Fvalid = 1;
    for (const char* at = "123456789"; *at; ++at) {
        top.i___05Fpayload = *at;
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    }
    std::printf("%08x\\n", top.crc);
}
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "judgement.py").write_text(_BENCH)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "judgement"


def _run(tmp_path: Path, bench: str, name: str) -> int:
    return run_bench(
        Crc32(), top="crc32", test_module=bench, build_dir=tmp_path, simulator="icarus", seed=5,
        parameters={"words": [1, 2], "name": "a b"}, test_filter=rf"\.{name}$",
    )  # fmt: skip


def test_verdicts(tmp_path: Path, bench: str) -> None:
    before = dict(os.environ)
    assert _run(tmp_path, bench, "good") == 1
    with pytest.raises(CheckFailed, match="judgement of crc32 on icarus, seed 5: 1 of 1 tests failed"):
        _run(tmp_path, bench, "bad")
    with pytest.raises(CheckFailed, match="no test was run|did not run"):
        _run(tmp_path, bench, "absent")
    with pytest.raises(CheckFailed, match="did not run|1 of 1 tests failed"):
        _run(tmp_path, bench, "crash")
    assert {name for name in os.environ if os.environ.get(name) != before.get(name)} <= {"PYTEST_CURRENT_TEST"}
    assert bench_parameters() == {}


def test_rules(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be one of verilator, icarus, not 'questa'"):
        run_bench(Path("x.v"), top="x", test_module="x", build_dir=tmp_path, simulator="questa")
    with pytest.raises(UserError, match="from 1 to 64"):
        compile_harness(tmp_path / "x.v", top="x", harness=tmp_path / "x.cpp", build_dir=tmp_path, threads=0)
    with pytest.raises(UserError, match="does not exist"):
        compile_harness(tmp_path / "x.v", top="x", harness=tmp_path / "x.cpp", build_dir=tmp_path)


def test_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verilog, harness, build = write_verilog(Crc32(), tmp_path / "top.v"), tmp_path / "main.cpp", tmp_path / "build"
    harness.write_text(_MAIN)
    executable = compile_harness(verilog, top="top", harness=harness, build_dir=build)
    assert subprocess.run([executable], capture_output=True, check=True, text=True).stdout == "cbf43926\n"
    with monkeypatch.context() as context:
        context.setattr(shutil, "which", lambda *_, **__: None)  # no compiler: what is compiled is found
        assert compile_harness(verilog, top="top", harness=harness, build_dir=build) == executable
        harness.write_text(_MAIN + "// changed\n")
        with pytest.raises(CheckFailed, match="install g\\+\\+ and make"):
            compile_harness(verilog, top="top", harness=harness, build_dir=build)
    harness.write_text(_MAIN.replace("top.crc", "top.absent"))
    with pytest.raises(
        CheckFailed, match=r"Compiling .*/top.v with main.cpp failed \(exit code \d+\): main.cpp:\d+:\d+: error: .*absent.*; the log is"
    ) as info:
        compile_harness(verilog, top="top", harness=harness, build_dir=build)
    log = Path(str(info.value).rsplit(" ", 1)[1].rstrip("."))
    assert "absent" in log.read_text()
    assert sorted(path.name for path in build.iterdir()) == sorted([log.name, executable.name, executable.with_suffix('.log').name])


@pytest.mark.parametrize("name", ["two words", "a'b\"c$HOME", "a;b&c#d", "ü(x): y"])
def test_harness_in_any_folder(tmp_path: Path, name: str) -> None:
    """Neither make nor a shell gets to see the path."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "main.cpp").write_text(_MAIN)
    verilog = write_verilog(Crc32(), folder / "top.v")
    executable = compile_harness(verilog, top="top", harness=folder / "main.cpp", build_dir=folder / "build")
    assert subprocess.run([executable], capture_output=True, check=True, text=True).stdout == "cbf43926\n"
    verilog.write_text(verilog.read_text().replace("endmodule", "endmodul", 1))
    with pytest.raises(CheckFailed, match=r"top.v with main.cpp failed \(exit code \d+\): %Error: top.v:\d+:\d+: syntax error"):
        compile_harness(verilog, top="top", harness=folder / "main.cpp", build_dir=folder / "build")


def test_interrupt_ends_the_compiler(tmp_path: Path) -> None:
    write_verilog(Crc32(), tmp_path / "top.v")
    (tmp_path / "main.cpp").write_text(_MAIN)
    script = (
        "from pathlib import Path; from macaw.sim.simulator import compile_harness; path = Path('.').resolve()\n"
        "try: compile_harness(path / 'top.v', top='top', harness=path / 'main.cpp', build_dir=path / 'build')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not list(tmp_path.glob("build/main-*/Vtop.h")) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert [path for path in (tmp_path / "build").iterdir() if path.is_dir()] == []
