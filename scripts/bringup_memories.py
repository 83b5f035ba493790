"""The memories in a bring-up: the memory tester, built, programmed and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..boards.harness import SDRAM_PIN_DELAY, Harness
from ..boards.memory_test import MemoryTest, MemoryTestResult, on_data_lines
from ..boards.toolchain import TimingMissed, implement
from ..boards.top import BoardTop
from ..hw.config import EngineConfig
from ..hw.emit import write_verilog
from ..hw.errors import UserError
from ..hw.external.external_memory_tester import EXTERNAL_PASSES, ExternalShape
from ..hw.external.sdram_engine import SdramEngine
from ..hw.external.sdram_timing import SdramTiming
from ..hw.external.weight_stream import SILENCE
from ..hw.memory.engine_memories import MemoryShape, engine_memories
from ..hw.memory.memory_tester import MemoryTester
from ..sim.cost.external_memory import Sdram
from ..sim.cost.memory_test import external_test_cycles
from ..sim.memory_system import memory_system
from ..sim.simulated_board import SimulatedBoard
from .bringup_bench import Bench
from .bringup_report import BringUp
from .build_folder import Build
from .synthesize import SEEDS

__all__ = ["Memories", "check_memories", "memories_of", "report_sdram", "tester_bitstream", "tester_design"]

_SDRAM_WORDS = 16384
"""Of an SDRAM that is simulated, so many words are tested."""

_ROOM = 0.9
"""Of the clock that a memory tester reached where it missed the build's."""


@dataclass(frozen=True, kw_only=True)
class Memories:
    """What is tested: the memories of the engine, then the board's SDRAM, if it has one."""

    shapes: Sequence[MemoryShape]
    external: ExternalShape | None
    timing: SdramTiming | None

    @property
    def around(self) -> EngineConfig:
        """An engine that needs of a harness and a board top what the tester does."""
        return EngineConfig(p=1, m=1, n=1, streaming=self.external is not None)


def memories_of(bench: Bench) -> Memories:
    """All of them; of an SDRAM as much as the simulation has time for."""
    shapes = engine_memories(bench.build.compilation.config, bench.board.family)
    timing = bench.board.sdram
    if timing is None:
        return Memories(shapes=shapes, external=None, timing=None)
    try:
        words = timing.cycles(bench.build.manifest["clock_hz"]).words
    except UserError as error:  # not the clock of an engine that uses it
        bench.report.check("SDRAM", None, str(error))
        return Memories(shapes=shapes, external=None, timing=None)
    tested = min(words, _SDRAM_WORDS) if bench.simulated else words
    return Memories(shapes=shapes, external=ExternalShape(name=f"SDRAM {timing.name}", words=words, tested=tested), timing=timing)


def tester_design(build: Build, memories: Memories, divisor: int, clock_hz: int) -> Harness:
    """The memory tester behind the build's link."""
    engine: Any = MemoryTester(memories.shapes, clock_hz=clock_hz, external=memories.external)
    if memories.timing is not None:
        engine = SdramEngine(
            memories.around, clock_hz=clock_hz, timing=memories.timing, pin_delay=SDRAM_PIN_DELAY, engine=engine
        )
    return Harness(
        memories.around, divisor=divisor, clock_hz=clock_hz, link=build.attachment.link, engine=engine, sdram=memories.timing
    )


def tester_bitstream(bench: Bench, memories: Memories) -> tuple[Path, int]:
    """The memory tester's bitstream and its serial rate, at the build's clock or, if it misses that, at one that it meets."""
    board, build = bench.board, bench.build
    wanted_hz = build.manifest["wanted_hz"]
    attachment = replace(build.attachment, weights="host")
    folder = build.folder / "memory_test"
    while True:
        clock_hz = board.clock_hz(wanted_hz)
        divisor, rate = attachment.rate(board, clock_hz)
        design = tester_design(build, memories, divisor, clock_hz)
        top = BoardTop(board, memories.around, wanted_hz, attachment=attachment, design=design)
        try:
            result = implement(top, board, folder, seeds=SEEDS, clock_hz=clock_hz, progress=bench.progress)
        except TimingMissed as missed:
            wanted_hz = round(_ROOM * missed.implementation.fmax_hz)
            attachment = replace(attachment, baud=None)  # a rate that this clock makes
            continue
        assert result.bitstream is not None
        return result.bitstream, rate


def check_memories(bench: Bench) -> None:
    """Tests the memories of the engine and the board's SDRAM, with a design in the engine's place."""
    report, build = bench.report, bench.build
    if not bench.simulated and bench.programmer is None:
        report.check("memories", None, "with --no-program the memory tester cannot be brought into the FPGA")
        return
    with report.part("memories"):
        memories = memories_of(bench)
        if bench.programmer is not None:
            bitstream, baud = tester_bitstream(bench, memories)
            bench.program(bitstream)
            _run_memory_test(bench, memories, None, baud)
            return
        manifest, folder = build.manifest, build.folder / "memory_test"
        folder.mkdir(exist_ok=True)
        bench.progress("compile memory test", 0.0, "Verilator")
        design = tester_design(build, memories, manifest["divisor"], manifest["clock_hz"])
        if memories.timing is None:
            write_verilog(design, folder / "board.v")
        else:
            system = memory_system(design, "", memories.timing, manifest["clock_hz"], SDRAM_PIN_DELAY, name="top")
            (folder / "board.v").write_text(system)
        with SimulatedBoard(folder / "board.v", manifest["divisor"], folder) as board:
            bench.progress("compile memory test", 1.0, "board.v")
            _run_memory_test(bench, memories, board, manifest["baud"])


def _run_memory_test(bench: Bench, memories: Memories, board: SimulatedBoard | None, baud: int) -> None:
    shapes, external, report = memories.shapes, memories.external, bench.report
    passes = 0 if external is None else len(EXTERNAL_PASSES)

    def progress(memory: int, walk: int) -> None:
        outside = external is not None and memory == len(shapes)
        name = external.name if external is not None and outside else shapes[min(memory, len(shapes) - 1)].name
        bench.progress("memory test", (memory + outside * walk) / (len(shapes) + passes), name)

    with bench.link(board, baud) as link:
        test = MemoryTest(link, shapes, external=external)
        test.check_identity()
        clock_hz = test.clock_hz()
        predicted = 0
        if external is not None and memories.timing is not None:
            memory = Sdram(cycles=memories.timing.cycles(clock_hz), pin_delay=SDRAM_PIN_DELAY)
            predicted = external_test_cycles(memory, external.tested)
        test.timeout = 600.0 if bench.simulated else 60.0 + predicted / clock_hz
        result = test.run(progress)
    bench.progress("memory test", 1.0, "done")
    size = sum(shape.depth * shape.width for shape in shapes) // 8
    kinds = ", ".join(
        f"{count} {kind}" for kind in ("block", "spram", "distributed") if (count := sum(shape.kind == kind for shape in shapes))
    )
    outside = result.external
    wrong = result.failures - (0 if outside is None else outside.failures)
    if not wrong:
        report.check("memories", True, f"{len(shapes)} of the engine ({kinds}), {size:,} bytes, march test: no wrong word")
    else:
        report.check("memories", False, f"{wrong:,} words were read wrong, the first in {result.first}")
    if external is not None and outside is not None:
        report_sdram(report, external, result, clock_hz)
    for name, took, expected in (
        ("memory test", result.cycles - (0 if outside is None else outside.cycles), test.cycles()),
        ("SDRAM's test", predicted if outside is None or outside.silent else outside.cycles, predicted),
    ):
        if took != expected:
            report.check("test cycles", False, f"the {name} took {took:,} cycles instead of {expected:,}")


def report_sdram(report: BringUp, memory: ExternalShape, result: MemoryTestResult, clock_hz: int) -> None:
    """The line of an SDRAM."""
    outside = result.external
    assert outside is not None
    size = f"{4 * memory.tested:,} of {4 * memory.words:,} bytes"
    if outside.silent:
        report.check("SDRAM", False, f"the {memory.name} did not answer for {SILENCE:,} cycles")
    elif outside.failures:
        first = f"the first in {result.first}; " if result.first is not None and result.first.outside else ""
        report.check(
            "SDRAM", False,
            f"in {size} {outside.failures:,} words were read wrong, {first}the wrong bits are {on_data_lines(outside.bits)}",
        )  # fmt: skip
    else:
        accesses = sum(bool(walk.read) + bool(walk.write) for walk in EXTERNAL_PASSES)
        rate = 4e-6 * memory.tested * accesses * clock_hz / outside.cycles
        report.check(
            "SDRAM", True,
            f"{size} of {memory.name}, march test: no wrong word; each {accesses} times read or written, {outside.cycles:,} cycles, "
            f"{rate:.1f} MB/s",
        )  # fmt: skip
