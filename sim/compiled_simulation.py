"""A compiled simulation that takes commands on its standard input and answers on its standard output."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self

from ..hw.errors import CheckFailed
from .simulator import compile_harness

__all__ = ["CompiledSimulation"]


class CompiledSimulation:
    """Context manager around the process; its end is the end of its input.

    Parameters
    ----------
    verilog : Path
        Verilog with the module ``top``.
    harness : str
        File of ``sim/harness`` with the C++ main.
    ended : str
        Sentence for a process that takes or gives no more.
    coverage : Path, optional
        Where the process writes what was covered, when it ends (sim/rtl_coverage.py).
    """

    def __init__(
        self, verilog: Path, build_dir: Path, *, top: str, harness: str, ended: str, coverage: Path | None = None
    ) -> None:
        main = Path(str(resources.files("macaw.sim.harness").joinpath(harness)))
        executable = compile_harness(verilog, top=top, harness=main, build_dir=build_dir, coverage=coverage is not None)
        self._command_line = [str(executable)] + ([f"+verilator+coverage+file+{coverage}"] if coverage else [])
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # in a session of its own: a terminal's Ctrl-C is this process's to handle
            self._command_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            if kind is not None:
                process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.wait()

    def _send(self, data: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise RuntimeError("the simulation is not running; use it in a with statement")
        try:
            process.stdin.write(data)
            process.stdin.flush()
        except BrokenPipeError as error:
            raise CheckFailed(self._ended) from error

    def _receive(self, count: int) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) != count:
            raise CheckFailed(self._ended)
        return data
