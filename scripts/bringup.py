"""A board for the first time: programs it, tests its memories, its link and a network, and writes a report to attach to an
issue. `python -m macaw.scripts.bringup --help`, or `macaw bringup`."""

from __future__ import annotations

import argparse
import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from .. import __version__
from ..boards.accelerator import Accelerator
from ..boards.board import Board
from ..boards.catalog import find_board
from ..boards.link.client import Link
from ..boards.link.line import LINE_BITS
from ..boards.programmer import find_programmer
from ..hw.config import EngineConfig
from ..hw.control.register_map import Region, Register, region_address
from ..hw.errors import CheckFailed, UserError
from ..sim.simulated_board import SimulatedBoard
from .board_link import find_build_port, simulated_board
from .bringup_bench import Bench
from .bringup_memories import check_memories
from .bringup_report import REPORT, BringUp
from .build_folder import Build, load_build
from .console import CONSOLE, run_command, stages
from .demo import example
from .generate import generate
from .inputs import Inputs, load_inputs, random_inputs
from .run import run_build
from .serial_ports import describe_port, find_port
from .synthesize import synthesize_build

__all__ = ["bring_up", "main"]

_NETWORK = "digits_small_int8.onnx"
_ARRAY = (1, 4, 2)
"""Small enough for every board, and placed and routed in a minute."""
_HELDOUT = {_NETWORK: "heldout_small.npz", "digits_int8.onnx": "heldout.npz"}
_INPUTS = {True: 4, False: 50}
"""Inferences, simulated and on a board."""
_TRANSFER_WORDS = {True: 1024, False: 16384}
_REGION: Any = Region
_REGISTER: Any = Register


def _check_link(bench: Bench) -> None:
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


def _check_transfer(bench: Bench, link: Link, board: SimulatedBoard | None) -> None:
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


def _run_network(bench: Bench, inputs: Inputs) -> None:
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


def _implementation(bench: Bench) -> None:
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
        bench.program(path)
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
    if (folder / REPORT).is_file():
        (folder / REPORT).unlink()  # of a bring-up before
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
        bench = Bench(build=build, board=board, report=report, port=where, programmer=programmer, progress=progress)
        try:
            check_memories(bench)
            _implementation(bench)
            _check_link(bench)
            _run_network(bench, chosen)
            report.complete = True
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
