"""A board made of a Verilator model: the same serial port for the host, a pseudo-terminal instead of a cable."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ..hw.errors import CheckFailed, UserError
from .simulator import compile_harness

__all__ = ["SimulatedBoard"]

_HARNESS = Path(__file__).parent / "harness" / "board.cpp"
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class SimulatedBoard:
    """Runs a top module with the pins ``clk``, ``rst``, ``rx``, ``tx`` (and ``led``, ignored) behind a pseudo-terminal.

    A context manager: compiles on entry if needed, starts the simulation, and ends it on exit. The simulation also ends
    when this process dies. After four million cycles without traffic it runs slowly and leaves the processor alone.

    Parameters
    ----------
    verilog : Path
        Verilog file with the top module.
    divisor : int, 4..65536
        Clock cycles a bit of the top's serial line.
    build_dir : Path
        Folder for the compiled simulation and its log.
    top : str
        Name of the top module.
    threads : int
        Threads of the simulation.

    Attributes
    ----------
    port : str
        Device to open instead of a serial port; valid inside the ``with`` block.
    pid : int
        Process of the simulation.

    Raises UserError for bad parameters, CheckFailed if the simulation cannot be compiled or started.
    """

    def __init__(self, verilog: Path, divisor: int, build_dir: Path, *, top: str = "top", threads: int = 1) -> None:
        if not isinstance(divisor, int) or not 4 <= divisor <= 65536:
            raise UserError(f"The divisor of a simulated board must be from 4 to 65536 cycles a bit, not {divisor!r}.")
        self.verilog = Path(verilog)
        self.divisor = divisor
        self.build_dir = Path(build_dir)
        self.top = top
        self.threads = threads
        self.port = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process of the simulation. Raises CheckFailed when it is not running."""
        if self._process is None:
            raise CheckFailed("The simulated board is not running: use it inside its `with` block.")
        return self._process.pid

    def __enter__(self) -> Self:
        executable = compile_harness(
            self.verilog, top=self.top, harness=_HARNESS, build_dir=self.build_dir, threads=self.threads
        )
        log = self.build_dir / "simulated_board.log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [executable, "--divisor", str(self.divisor), "--parent", str(os.getpid())],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            )  # fmt: skip
        try:
            self.port = self._read_port()
        except BaseException:
            self.stop()
            raise
        if not self.port:
            self.stop()
            raise CheckFailed(f"The simulated board of {self.verilog.name} did not start; the log is {log}.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_port(self) -> str:
        """First line of the simulation's output, empty if it ended or took too long."""
        assert self._process is not None and self._process.stdout is not None
        line = b""
        end = time.monotonic() + _START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    return ""
                part = os.read(self._process.stdout.fileno(), 256)
                if not part:
                    return ""
                line += part
        return line.decode().strip()

    def stop(self) -> None:
        """End the simulation; nothing happens if it has ended."""
        process, self._process = self._process, None
        self.port = ""
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            if process.stdout is not None:
                process.stdout.close()
