"""A board made of a Verilator model: the same host link, a pseudo-terminal instead of a cable."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ..hw.errors import CheckFailed, UserError
from .simulator import compile_harness

__all__ = ["SimulatedBoard", "Traffic"]

_HARNESS = Path(__file__).parent / "harness" / "board.cpp"
_START_SECONDS = 30.0
_SLOW_CYCLES_A_SECOND = 10_000  # of a large engine on a busy machine
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Traffic:
    """What has moved on the host link since it was asked for before, in clock cycles since reset.

    ``first``: when the first byte began on the line; ``last``: when the last one ended; ``received``, ``sent``: bytes to
    the board and to the host. ``lights`` are the pins ``led`` of this moment, bit 0 the first of them.
    """

    now: int
    first: int
    last: int
    received: int
    sent: int
    lights: int

    @property
    def cycles(self) -> int:
        """From the first byte to the end of the last."""
        return self.last - self.first


class SimulatedBoard:
    """Runs a top module behind a pseudo-terminal.

    Pins: ``clk``, ``rst``; ``rx`` and ``tx`` of a serial line or ``spi_cs``, ``spi_sck``, ``spi_copi`` and ``spi_cipo`` of
    an SPI slave (:class:`~macaw.boards.link.transport.SimulatedSpi` is the other end); if there is one, ``led``; with
    ``flash_cs``, ``flash_sck``, ``flash_copi`` and ``flash_cipo`` a flash is connected, in deep power-down at first.

    A context manager: compiles on entry if needed, starts the simulation, and ends it on exit. The simulation also ends
    when this process dies. After four million cycles without traffic it runs slowly and leaves the processor alone.

    Parameters
    ----------
    verilog : Path
        Verilog file with the top module.
    divisor : int, 4..65536
        Clock cycles a bit of the top's serial line, or of the SPI clock.
    build_dir : Path
        Folder for the compiled simulation and its log.
    top : str
        Name of the top module.
    threads : int
        Threads of the simulation.
    lead_cycles : int, 0 or more
        After reset, before the port is there: the time in which a board that is switched on loads itself.
    hold_cycles : int, 0 or more
        Bytes to the host wait until there are 62 of them or that many cycles have passed: the latency timer of a bridge
        to USB.
    flash : bytes
        Contents of the flash from its beginning on; the rest is erased.
    flash_bytes : int, 1..2**24
        Size of the flash.

    Attributes
    ----------
    port : str
        Device to open instead of a serial port; valid inside the ``with`` block.
    pid : int
        Process of the simulation.

    Raises UserError for bad parameters, CheckFailed if the simulation cannot be compiled or started.
    """

    def __init__(
        self,
        verilog: Path,
        divisor: int,
        build_dir: Path,
        *,
        top: str = "top",
        threads: int = 1,
        lead_cycles: int = 0,
        hold_cycles: int = 0,
        flash: bytes = b"",
        flash_bytes: int = 1 << 24,
    ) -> None:
        if not isinstance(divisor, int) or not 4 <= divisor <= 65536:
            raise UserError(f"The divisor of a simulated board must be from 4 to 65536 cycles a bit, not {divisor!r}.")
        if lead_cycles < 0 or hold_cycles < 0:
            raise UserError(f"A simulated board cannot wait for {min(lead_cycles, hold_cycles)} cycles.")
        if not 1 <= flash_bytes <= 1 << 24 or len(flash) > flash_bytes:
            raise UserError(f"{len(flash)} bytes do not fit into a flash of {flash_bytes}, which can have up to 2**24.")
        self.verilog = Path(verilog)
        self.divisor = divisor
        self.build_dir = Path(build_dir)
        self.top = top
        self.threads = threads
        self.lead_cycles = lead_cycles
        self.hold_cycles = hold_cycles
        self.flash = flash
        self.flash_bytes = flash_bytes
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
        arguments = ["--divisor", str(self.divisor), "--parent", str(os.getpid())]
        arguments += ["--lead", str(self.lead_cycles), "--hold", str(self.hold_cycles)]
        with log.open("wb") as errors, tempfile.NamedTemporaryFile(dir=self.build_dir, prefix="flash-") as contents:
            if self.flash:
                contents.write(self.flash)
                contents.flush()
                arguments += ["--flash", contents.name, "--flash-size", str(self.flash_bytes)]
            self._process = subprocess.Popen(
                [executable, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            )  # fmt: skip
            self._start(log)
        return self

    def _start(self, log: Path) -> None:
        """Wait for the port."""
        try:
            self.port = self._read_line(_START_SECONDS + self.lead_cycles / _SLOW_CYCLES_A_SECOND)
        except BaseException:
            self.stop()
            raise
        if not self.port:
            self.stop()
            raise CheckFailed(f"The simulated board of {self.verilog.name} did not start; the log is {log}.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def traffic(self) -> Traffic:
        """What has moved since the call before. Raises CheckFailed when the board does not run."""
        os.kill(self.pid, signal.SIGUSR1)
        line = self._read_line(_START_SECONDS)
        if not line:
            raise CheckFailed(f"The simulated board of {self.verilog.name} has ended.")
        return Traffic(*(int(word) for word in line.split()))

    def _read_line(self, seconds: float) -> str:
        """Next line of the simulation's output, empty if it ended or took too long."""
        assert self._process is not None and self._process.stdout is not None
        line = b""
        end = time.monotonic() + seconds
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
