"""The core's RTL, compiled, behind the same read and write calls as a board."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..hw.control.register_map import Status
from ..hw.errors import CheckFailed
from .compiled_simulation import CompiledSimulation

__all__ = ["CoreSimulation"]

_PIECE = 1 << 16


class CoreSimulation(CompiledSimulation):
    """Context manager around the compiled core.

    Parameters
    ----------
    verilog : Path
        Verilog with the module ``core`` (an Engine).
    build_dir : Path
        Where the compiled simulation is kept.
    top : str
        Another module with the core's port, ``busy`` and no other inputs.
    coverage : Path, optional
        Where the core's coverage is written at the end.

    Attributes
    ----------
    cycles : int
        Clock cycles simulated so far, those of the host's accesses included.
    seconds : float
        Time that these took.
    """

    def __init__(self, verilog: Path, build_dir: Path, *, top: str = "core", coverage: Path | None = None) -> None:
        super().__init__(
            verilog, build_dir, top=top, harness="core.cpp", ended="The core's simulation ended early.", coverage=coverage
        )
        self.cycles = 0
        self.seconds = 0.0

    def _command(self, head: tuple[int, int, int], payload: bytes = b"") -> tuple[int, int]:
        """Verdict and count of the answer."""
        started = time.perf_counter()
        self._send(struct.pack("<3I", *head) + payload)
        verdict, count, low, high = map(int, self._answer(4))
        self.seconds += time.perf_counter() - started
        self.cycles += high << 32 | low
        return verdict, count

    def _answer(self, words: int) -> NDArray[np.uint32]:
        return np.frombuffer(self._receive(4 * words), "<u4").astype(np.uint32)

    @staticmethod
    def _check(status: int, address: int) -> None:
        if status:
            raise CheckFailed(f"The core answered an access to word {address:#09x} with {Status(status).name}.")

    def write(
        self, address: int, words: ArrayLike, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Write 32-bit words to consecutive addresses. Raises CheckFailed if the core refuses one."""
        values = np.asarray(words, np.uint32).reshape(-1)
        for start in range(0, len(values), _PIECE):
            piece = values[start : start + _PIECE]
            status, done = self._command((1, address + start, len(piece)), piece.astype("<u4").tobytes())
            self._check(status, address + start + done)
            if progress:
                progress(start + len(piece), len(values))

    def read(
        self, address: int, count: int, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.uint32]:
        """Read 32-bit words from consecutive addresses. Raises CheckFailed if the core refuses one."""
        parts = [np.zeros(0, np.uint32)]
        for start in range(0, count, _PIECE):
            size = min(_PIECE, count - start)
            status, done = self._command((2, address + start, size))
            part = self._answer(done)
            self._check(status, address + start + done)
            parts.append(part)
            if progress:
                progress(start + size, count)
        return np.concatenate(parts)

    def wait(self, timeout_cycles: int = 1 << 40) -> None:
        """Clock until the core is idle. Raises CheckFailed after ``timeout_cycles``."""
        busy, _ = self._command((3, timeout_cycles & 0xFFFFFFFF, timeout_cycles >> 32))
        if busy:
            raise CheckFailed(f"The core was still busy after {timeout_cycles:,} cycles.")
