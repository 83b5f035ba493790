"""A board for the first time: programs it, tests its memories, its link and a network, and writes a report to attach to an
issue. `python -m macaw.scripts.bringup --help`, or `macaw bringup`."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from .. import __version__
from ..boards.accelerator import Accelerator
from ..boards.board import Board
from ..boards.catalog import find_board
from ..boards.harness import SDRAM_PIN_DELAY, Harness
from ..boards.link.client import Link, PortAbsent
from ..boards.link.line import LINE_BITS
from ..boards.memory_test import MemoryTest, MemoryTestResult, on_data_lines
from ..boards.programmer import Programmer, find_programmer
from ..boards.toolchain import TimingMissed, implement
from ..boards.top import BoardTop
from ..hw.config import EngineConfig
from ..hw.control.register_map import Region, Register, region_address
from ..hw.emit import write_verilog
from ..hw.errors import CheckFailed, UserError
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
from .board_link import find_build_port, simulated_board, simulated_line
from .build_folder import Build, load_build
from .console import CONSOLE, Stages, run_command, stages
from .demo import example
from .generate import generate
from .inputs import Inputs, load_inputs, random_inputs
from .run import run_build
from .serial_ports import describe_port, find_port
from .synthesize import SEEDS, synthesize_build

__all__ = ["REPORT", "BringUp", "Check", "bring_up", "main"]

REPORT = "bringup.txt"
"""In the folder of the bring-up."""

_NETWORK = "digits_small_int8.onnx"
_ARRAY = (1, 4, 2)
"""Small enough for every board, and placed and routed in a minute."""
_HELDOUT = {_NETWORK: "heldout_small.npz", "digits_int8.onnx": "heldout.npz"}
_INPUTS = {True: 4, False: 50}
"""Inferences, simulated and on a board."""
_TRANSFER_WORDS = {True: 1024, False: 16384}
_TIMEOUT = {True: 60.0, False: 1.0}
_PORT_SECONDS = 10.0
"""Time for a port to come back after programming."""
_SDRAM_WORDS = 16384
"""Of an SDRAM that is simulated, so many words are tested."""
_ROOM = 0.9
"""Of the clock that a memory tester reached where it missed the build's."""

_REGION: Any = Region
_REGISTER: Any = Register


@dataclass(frozen=True)
class Check:
    """One line of the report; ``passed`` is None for what was left out."""

    name: str
    passed: bool | None
    text: str

    def __str__(self) -> str:
        state = {True: "OK", False: "FAILED", None: "left out"}[self.passed]
        return f"{state:<9} {self.name:<12} {self.text}"


class BringUp:
    """The report as it grows: facts, then checks, each printed as soon as it is known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: list[tuple[str, str]] = []
        self.checks: list[Check] = []

    def fact(self, name: str, text: str) -> None:
        """What was built and what runs it."""
        self.facts.append((name, text))

    def check(self, name: str, passed: bool | None, text: str) -> None:
        """An outcome."""
        self.checks.append(Check(name, passed, text))
        CONSOLE.print(str(self.checks[-1]), markup=False)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What ends with an error in here is a failed check, too."""
        try:
            yield
        except (UserError, CheckFailed) as error:
            self.check(name, False, str(error))
            raise

    @property
    def failed(self) -> list[str]:
        """Names of the failed checks."""
        return [check.name for check in self.checks if check.passed is False]

    def text(self) -> str:
        """The whole report."""
        verdict = f"FAILED: {', '.join(self.failed)}" if self.failed else "all checks passed"
        lines = ["Macaw bring-up report", *(f"{name:<12} {text}" for name, text in self.facts), ""]
        return "\n".join([*lines, *map(str, self.checks), "", f"Result: {verdict}", ""])

    def save(self) -> None:
        """Write the report, at once or not at all."""
        temporary = self.path.with_suffix(".partial")
        temporary.write_text(self.text())
        os.replace(temporary, self.path)


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What a bring-up works with. ``port`` is None for the simulated board, ``programmer`` where nothing is programmed."""

    build: Build
    board: Board
    report: BringUp
    port: str | None
    programmer: Programmer | None
    progress: Stages

    @property
    def simulated(self) -> bool:
        return self.port is None

    @contextmanager
    def link(self, board: SimulatedBoard | None, baud: int) -> Iterator[Link]:
        """The link to the board; a port that programming has taken away is waited for."""
        line = simulated_line(self.build, board, baud) if board is not None else str(self.port)
        deadline = time.monotonic() + _PORT_SECONDS
        while True:
            link = Link(line, baud, timeout=_TIMEOUT[self.simulated])
            try:
                link.open()
                break
            except PortAbsent:
                if self.programmer is None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        try:
            yield link
        finally:
            link.close()


@dataclass(frozen=True, kw_only=True)
class _Memories:
    """What is tested: the memories of the engine, then the board's SDRAM, if it has one."""

    shapes: Sequence[MemoryShape]
    external: ExternalShape | None
    timing: SdramTiming | None

    @property
    def around(self) -> EngineConfig:
        """An engine that needs of a harness and a board top what the tester does."""
        return EngineConfig(p=1, m=1, n=1, streaming=self.external is not None)


def _memories(bench: _Bench) -> _Memories:
    """All of them; of an SDRAM as much as the simulation has time for."""
    shapes = engine_memories(bench.build.compilation.config, bench.board.family)
    timing = bench.board.sdram
    if timing is None:
        return _Memories(shapes=shapes, external=None, timing=None)
    try:
        words = timing.cycles(bench.build.manifest["clock_hz"]).words
    except UserError as error:  # not the clock of an engine that uses it
        bench.report.check("SDRAM", None, str(error))
        return _Memories(shapes=shapes, external=None, timing=None)
    tested = min(words, _SDRAM_WORDS) if bench.simulated else words
    return _Memories(shapes=shapes, external=ExternalShape(name=f"SDRAM {timing.name}", words=words, tested=tested), timing=timing)


def _tester_design(build: Build, memories: _Memories, divisor: int, clock_hz: int) -> Harness:
    engine: Any = MemoryTester(memories.shapes, clock_hz=clock_hz, external=memories.external)
    if memories.timing is not None:
        engine = SdramEngine(
            memories.around, clock_hz=clock_hz, timing=memories.timing, pin_delay=SDRAM_PIN_DELAY, engine=engine
        )
    return Harness(
        memories.around, divisor=divisor, clock_hz=clock_hz, link=build.attachment.link, engine=engine, sdram=memories.timing
    )


def _tester_bitstream(bench: _Bench, memories: _Memories) -> tuple[Path, int]:
    """The memory tester's bitstream and its serial rate, at the build's clock or, if it misses that, at one that it meets."""
    board, build = bench.board, bench.build
    wanted_hz = build.manifest["wanted_hz"]
    attachment = replace(build.attachment, weights="host")
    folder = build.folder / "memory_test"
    while True:
        clock_hz = board.clock_hz(wanted_hz)
        divisor, rate = attachment.rate(board, clock_hz)
        design = _tester_design(build, memories, divisor, clock_hz)
        top = BoardTop(board, memories.around, wanted_hz, attachment=attachment, design=design)
        try:
            result = implement(top, board, folder, seeds=SEEDS, clock_hz=clock_hz, progress=bench.progress)
        except TimingMissed as missed:
            wanted_hz = round(_ROOM * missed.implementation.fmax_hz)
            continue
        assert result.bitstream is not None
        return result.bitstream, rate


def _test_memories(bench: _Bench) -> None:
    report, build = bench.report, bench.build
    if not bench.simulated and bench.programmer is None:
        report.check("memories", None, "with --no-program the memory tester cannot be brought into the FPGA")
        return
    with report.part("memories"):
        memories = _memories(bench)
        if bench.programmer is not None:
            bitstream, baud = _tester_bitstream(bench, memories)
            bench.progress("program board", 0.0, bitstream.name)
            bench.programmer.program(bitstream)
            bench.progress("program board", 1.0, bitstream.name)
            _run_memory_test(bench, memories, None, baud)
            return
        manifest, folder = build.manifest, build.folder / "memory_test"
        folder.mkdir(exist_ok=True)
        bench.progress("compile memory test", 0.0, "Verilator")
        design = _tester_design(build, memories, manifest["divisor"], manifest["clock_hz"])
        if memories.timing is None:
            write_verilog(design, folder / "board.v")
        else:
            system = memory_system(design, "", memories.timing, manifest["clock_hz"], SDRAM_PIN_DELAY, name="top")
            (folder / "board.v").write_text(system)
        with SimulatedBoard(folder / "board.v", manifest["divisor"], folder) as board:
            bench.progress("compile memory test", 1.0, "board.v")
            _run_memory_test(bench, memories, board, manifest["baud"])


def _run_memory_test(bench: _Bench, memories: _Memories, board: SimulatedBoard | None, baud: int) -> None:
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
    words = sum(shape.depth * shape.segments for shape in shapes)
    kinds = ", ".join(
        f"{count} {kind}" for kind in ("block", "spram", "distributed") if (count := sum(shape.kind == kind for shape in shapes))
    )
    outside = result.external
    wrong = result.failures - (0 if outside is None else outside.failures)
    if not wrong:
        report.check("memories", True, f"{len(shapes)} of the engine ({kinds}), {4 * words:,} bytes, march test: no wrong word")
    else:
        report.check("memories", False, f"{wrong:,} words were read wrong, the first in {result.first}")
    if external is not None and outside is not None:
        _report_sdram(report, external, result, clock_hz)
    for name, took, expected in (
        ("memory test", result.cycles - (0 if outside is None else outside.cycles), test.cycles()),
        ("SDRAM's test", predicted if outside is None or outside.silent else outside.cycles, predicted),
    ):
        if took != expected:
            report.check("test cycles", False, f"the {name} took {took:,} cycles instead of {expected:,}")


def _report_sdram(report: BringUp, memory: ExternalShape, result: MemoryTestResult, clock_hz: int) -> None:
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


def _check_link(bench: _Bench) -> None:
    """Identity, a register, and the rate of bulk transfers."""
    report, build = bench.report, bench.build
    config, manifest = build.compilation.config, build.manifest

    def checked(board: SimulatedBoard | None) -> None:
        with bench.link(board, manifest["baud"]) as link:
            engine = Accelerator(link, config, build.compilation.program.maps)
            engine.check_identity()
            report.check("identity", True, f"{config.identity:016x}, clock register {engine.clock_hz() / 1e6:g} MHz")
            _check_register(report, link)
            _check_transfer(bench, link, board)

    with report.part("link"):
        if not bench.simulated:
            checked(None)
            return
        bench.progress("compile board", 0.0, "Verilator")
        with simulated_board(build) as board:
            bench.progress("compile board", 1.0, "board.v")
            checked(board)


def _check_register(report: BringUp, link: Link) -> None:
    address = region_address(_REGION.REGISTERS, _REGISTER.SCRATCH.value)
    wrong = []
    for value in (*(1 << bit for bit in range(8)), 0x00, 0x55, 0xAA, 0xFF):
        link.write(address, [value])
        if int(link.read(address, 1)[0]) != value:
            wrong.append(value)
    report.check("register", not wrong, f"{len(wrong)} of 12 values came back wrong")


def _stored(config: EngineConfig, count: int) -> NDArray[np.uint32]:
    """Which bits of the first host words of the feature buffer exist."""
    segments, banks = 1 << ceil_log2(config.feature_segments), 1 << config.bank_bits
    number = np.arange(count)
    segment, bank = number % segments, number // segments % banks
    held = np.clip(config.m - 4 * segment, 0, 4) * 8
    return np.where(bank < config.p, (np.uint64(1) << held.astype(np.uint64)) - np.uint64(1), 0).astype(np.uint32)


def _check_transfer(bench: _Bench, link: Link, board: SimulatedBoard | None) -> None:
    """Random words to the feature buffer and back."""
    report, manifest, config = bench.report, bench.build.manifest, bench.build.compilation.config
    room = config.feature_depth << config.bank_bits + ceil_log2(config.feature_segments)
    count = min(room, _TRANSFER_WORDS[bench.simulated])
    words = np.random.default_rng(1).integers(0, 1 << 32, count, dtype=np.uint32)
    address = region_address(_REGION.FEATURES, 0)
    found = np.zeros(0, np.uint32)

    def write() -> None:
        link.write(address, words)

    def read() -> None:
        nonlocal found
        found = link.read(address, count)

    rates = []
    for action in (write, read):
        rates.append(4 * count / _seconds(action, board, manifest["clock_hz"]))
        bench.progress("transfer", len(rates) / 2, f"{4 * count:,} bytes")
    wrong = int((found != words & _stored(config, count)).sum())
    line = manifest["baud"] / LINE_BITS[bench.build.attachment.link]
    report.check(
        "transfer", not wrong,
        f"{4 * count:,} bytes each way, {wrong} words wrong, {link.repetitions} frames sent again; to the board "
        f"{rates[0] / 1e3:,.1f} kB/s ({100 * rates[0] / line:.0f} % of the line), from it {rates[1] / 1e3:,.1f} kB/s "
        f"({100 * rates[1] / line:.0f} %)",
    )  # fmt: skip


def _seconds(action: Callable[[], None], board: SimulatedBoard | None, clock_hz: int) -> float:
    """What the action takes: by the clock of the simulated board, or by that of this computer."""
    if board is None:
        started = time.monotonic()
        action()
        return max(time.monotonic() - started, 1e-9)
    board.traffic()
    action()
    return max(1, board.traffic().cycles) / clock_hz


def _inputs(build: Build, path: Path | None, count: int) -> Inputs:
    """The first of ``path``; without, of held-out digits for the networks that read them, random ones for others."""
    graph = build.compilation.graph
    if path is None and build.manifest["model"] in _HELDOUT:
        path = example(_HELDOUT[build.manifest["model"]])
    return random_inputs(graph, count, seed=1) if path is None else load_inputs(path, graph).first(count)


def _run_network(bench: _Bench, inputs: Inputs) -> None:
    report, build = bench.report, bench.build
    with report.part("network"):
        run = run_build(build, bench.port, inputs, progress=bench.progress)
        right = "" if run.accuracy is None else f", right classes {100 * run.accuracy:.1f} %"
        report.check(
            "network", not run.differences,
            f"{run.inputs} inferences of {build.manifest['model']}, {run.differences} output elements differ from the golden "
            f"model{right}",
        )  # fmt: skip
        predicted = build.manifest["cycles"]
        report.check(
            "cycles", run.cycles == predicted,
            f"{run.cycles:,} an inference, predicted {predicted:,}; {1e6 * run.cycles / run.clock_hz:,.1f} µs at "
            f"{run.clock_hz / 1e6:g} MHz",
        )  # fmt: skip


def _implementation(bench: _Bench) -> None:
    """The bitstream of the network, programmed."""
    report, build = bench.report, bench.build
    if bench.simulated:
        report.check("bitstream", None, "simulated: nothing is placed and routed")
        return
    with report.part("bitstream"):
        done = build.manifest.get("implementation")
        path = build.folder / str(done["bitstream"]) if done and done.get("bitstream") else None
        if path is None or not path.is_file():
            if bench.programmer is None:
                report.check("bitstream", None, "with --no-program it is what the user has programmed")
                return
            result = synthesize_build(build, progress=bench.progress)
            assert result.bitstream is not None
            path = build.folder / result.bitstream.name
            done = build.manifest["implementation"]
        assert done is not None
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        tools = ", ".join(f"{name} {version}" for name, version in sorted(done["versions"].items()))
        report.check("bitstream", True, f"{path.name}, Fmax {done['fmax_hz'] / 1e6:.1f} MHz, seed {done['seed']}, SHA-256 {digest}, {tools}")
    if bench.programmer is None:
        return
    with report.part("programming"):
        bench.progress("program board", 0.0, path.name)
        bench.programmer.program(path)
        bench.progress("program board", 1.0, path.name)
        report.check("programming", True, " ".join((Path(bench.programmer.command[0]).name, *bench.programmer.command[1:])))


def bring_up(
    board_name: str | None, *, folder: Path, build_folder: Path | None = None, port: str | None = None, simulate: bool = False,
    program: bool = True, probe: str | None = None, inputs: Path | None = None,
) -> BringUp:  # fmt: skip
    """`macaw bringup`. Raises CheckFailed if a check fails; the report is written in any case, once there is a build."""
    if simulate and port is not None:
        raise UserError("Say where to run: --port with the board's serial port, or --simulate for the simulated board.")
    if board_name is None and build_folder is None:
        raise UserError("Say which board it is: --board with one of `macaw boards`, or --build with the folder of a build.")
    board = None if board_name is None else find_board(board_name)
    build = None if build_folder is None else load_build(build_folder)
    if build is not None:
        if not isinstance(build.board, Board):
            raise UserError(f"The build in {build_folder} is for the part {build.board.name}, without a board: build with --board.")
        if board is not None and build.board is not board:
            raise UserError(f"The build in {build_folder} is for {build.board.name}, not for {board.name}: leave out --board.")
        board = build.board
    assert board is not None
    if board.vendor and program and not simulate:
        raise UserError(
            f"The {board.title} is built by {board.vendor}: program the bitstream of the build's project yourself and use --build "
            "with --no-program."
        )
    programmer = find_programmer(board, probe) if program and not simulate else None
    where = None if simulate else port or (find_port(board.title) if build is None else find_build_port(build))
    folder = folder if build is None else build.folder
    with stages() as progress:
        if build is None:
            build = generate(example(_NETWORK), board.name, folder, array=_ARRAY, progress=progress)
        chosen = _inputs(build, inputs, _INPUTS[simulate])
        report = BringUp(folder / REPORT)
        config, manifest = build.compilation.config, build.manifest
        report.fact("Macaw", f"{__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
        report.fact("board", f"{board.title} ({board.name}), {board.part}{', simulated' if simulate else ''}")
        rate = f"{manifest['baud']:,} baud" if build.attachment.link == "uart" else f"SPI at {manifest['baud'] / 1e6:g} MHz"
        report.fact("port", "the simulated board's" if where is None else f"{describe_port(where)}, {rate}")
        report.fact("clock", f"{manifest['clock_hz'] / 1e6:g} MHz")
        report.fact("network", f"{manifest['model']}, engine {config}, made by Macaw {manifest['macaw']}")
        bench = _Bench(build=build, board=board, report=report, port=where, programmer=programmer, progress=progress)
        try:
            _test_memories(bench)
            _implementation(bench)
            _check_link(bench)
            _run_network(bench, chosen)
        finally:
            report.save()
            CONSOLE.print(f"report: {report.path}")
    if report.failed:
        raise CheckFailed(f"The {board.title} failed: {', '.join(report.failed)}; see {report.path} and docs/bring-up.md.")
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="bringup", description="Program a board, test its memories, its link and a network.")
    parser.add_argument("--board")
    parser.add_argument("--build", type=Path, help="a build's folder; a small network that reads digits is built without")
    parser.add_argument("--port", help="the only USB serial port without")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--no-program", action="store_true")
    parser.add_argument("--probe", help="serial number of the USB bridge, where several boards are connected")
    parser.add_argument("--inputs", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("macaw-bringup"))
    arguments = parser.parse_args(argv)

    def command() -> None:
        bring_up(
            arguments.board, folder=arguments.output, build_folder=arguments.build, port=arguments.port,
            simulate=arguments.simulate, program=not arguments.no_program, probe=arguments.probe, inputs=arguments.inputs,
        )  # fmt: skip

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
