"""The RTL of frame bridge and engine, compiled, as a stream of bytes: every run with the same bytes is the same."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..hw.bus.frame_bridge import FrameBridge
from ..hw.config import EngineConfig
from ..hw.emit import write_verilog
from ..hw.engine import Engine
from ..hw.errors import CheckFailed
from .compiled_simulation import CompiledSimulation

__all__ = ["FrameSimulation", "FramedEngine"]


class FramedEngine(wiring.Component):
    """An engine behind a frame bridge of ``payload_words`` words.

    Parameters
    ----------
    config : EngineConfig
    payload_words, timeout_cycles : int
        Of the :class:`FrameBridge`.

    Members
    -------
    i : In(stream of 8 bits), o : Out(stream of 8 bits)
        Requests and answers.
    busy : Out(1)
        A program runs.

    **Reset.** As the parts.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: EngineConfig, *, payload_words: int, timeout_cycles: int) -> None:
        self.config = config
        self.payload_words = payload_words
        self.timeout_cycles = timeout_cycles
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "busy": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.bridge = bridge = FrameBridge(self.payload_words, timeout_cycles=self.timeout_cycles)
        m.submodules.engine = engine = Engine(self.config)
        connect(m, flipped(self.i), bridge.i)
        connect(m, bridge.o, flipped(self.o))
        connect(m, bridge.core, engine.port)
        m.d.comb += self.busy.eq(engine.busy)
        return m


class FrameSimulation(CompiledSimulation):
    """Context manager around a compiled :class:`FramedEngine`.

    Parameters
    ----------
    design : FramedEngine
    build_dir : Path
        Folder for Verilog and compiled simulation.
    """

    def __init__(self, design: FramedEngine, build_dir: Path) -> None:
        self.design = design
        verilog = write_verilog(design, Path(build_dir) / "framed_engine.v", name="framed_engine")
        super().__init__(
            verilog, build_dir, top="framed_engine", harness="frames.cpp", ended="The simulated bridge does not take a byte."
        )

    def _command(self, kind: int, number: int, payload: bytes = b"") -> bytes:
        self._send(struct.pack("<2I", kind, number) + payload)
        return self._receive(int.from_bytes(self._receive(4), "little"))

    def send(self, data: bytes, *, waiting: bool = True) -> bytes:
        """Bytes to the bridge, each when it is taken (``waiting``) or one a cycle, taken or lost; what came back meanwhile.

        Raises CheckFailed if the bridge holds a byte for 100,000 cycles.
        """
        return self._command(1 if waiting else 2, len(data), data)

    def idle(self, cycles: int) -> bytes:
        """Clock without a byte to the bridge; what came back."""
        return self._command(3, cycles)

    def stall(self, share: int) -> None:
        """From now on answers are not taken in ``share`` of 256 cycles, 0..255."""
        if self._command(4, share):
            raise AssertionError("an answer without time")

    def wait(self, limit: int) -> bytes:
        """Clock until the engine is idle; what came back. Raises CheckFailed if it is busy after ``limit`` cycles."""
        answers = self._command(5, limit)
        if answers[-1]:
            raise CheckFailed(f"The engine was still busy after {limit:,} cycles.")
        return answers[:-1]
