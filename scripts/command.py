"""The command `macaw`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .. import __version__
from ..boards.attachment import Attachment
from ..boards.board import Board
from ..boards.catalog import BOARDS, find_board
from ..boards.device import find_device
from ..hw.errors import UserError
from .axi_timing import parse_timing
from .bringup import bring_up
from .console import CONSOLE, run_command, stages
from .demo import DEFAULT_BOARD, demo
from .destination_list import show_boards, show_parts
from .export import export_folder, parse_address
from .faults import DEFAULT_RATES, fault_command
from .flash import write_flash_image
from .generate import generate, parse_array, parse_clock
from .run import run_folder
from .simulate import verify_folder
from .synthesize import outcome, synthesize_build
from .vendor_project import write_project

__all__ = ["main"]

_CLOCK_TOLERANCE = 0.005
"""Of what was asked for: a clock that is further off is announced."""

app = typer.Typer(
    help="Macaw: a quantized neural network to a verified FPGA accelerator, with open tools only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _exit(command: Callable[[], None]) -> None:
    raise typer.Exit(run_command(command))


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    if version:
        CONSOLE.print(__version__)
        raise typer.Exit


def _candidates(candidates: Sequence[Mapping[str, Any]]) -> Table:
    """The fastest engines that fit; the first is built."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("array", "depth", "network", "cycles", "inferences/s", "used", "LUTs", "block RAMs", "multipliers"):
        table.add_column(heading, justify="left" if heading in ("array", "network") else "right", no_wrap=True)
    for item in candidates:
        table.add_row(
            ",".join(map(str, item["array"])),
            str(item["depth"]),
            item["arrangement"] or "as it is",
            f"{item['cycles']:,}",
            f"{item['inferences_per_second']:,.0f}",
            f"{100 * item['utilization']:.0f} %",
            f"{item['luts']:,}",
            f"{item['block_rams']:,}",
            f"{item['multipliers']:,}",
        )
    return table


def _destination(board: str | None, device: str | None) -> str:
    """The name of the board, or the part. Raises UserError unless one is given, and there is one of that name."""
    if board is not None and device is not None:
        raise UserError(f"--board {board[:40]} has a device of its own: leave out one of --board and --device.")
    if board is None and device is None:
        raise UserError("Say what to build for: --board with one of `macaw boards`, or --device with a part number.")
    return find_device(device).name if device is not None else find_board(str(board)).name


@app.command("build")
def _build(
    model: Annotated[Path, typer.Argument(help="Quantized model: ONNX, QONNX or TensorFlow Lite.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for everything that is made.")],
    board: Annotated[str | None, typer.Option(help="Board; see `macaw boards`.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Part instead of a board, as LFE5U-45F-6BG381C: the core without pins, no bitstream.")
    ] = None,
    array: Annotated[str | None, typer.Option(help="p,m,n: pixels, bytes in a word, output lanes; chosen without.")] = None,
    depth: Annotated[int | None, typer.Option(help="Pixel groups that share a weight fetch; chosen without.")] = None,
    clock: Annotated[str | None, typer.Option(help="Clock in MHz; the board's default without.")] = None,
    rounding: Annotated[
        str | None, typer.Option(help="Of a TensorFlow Lite model: tflm (twice, as TensorFlow Lite Micro) or single.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="Seed of the placement; without, up to three are tried until one meets the clock."),
    ] = None,
    link: Annotated[str, typer.Option(help="Host link: uart or spi.")] = "uart",
    baud: Annotated[int | None, typer.Option(help="Rate of the serial line; the board's default without.")] = None,
    weights: Annotated[
        str, typer.Option(help="Where the weights come from: host, bitstream (in block RAM), flash (at power-up), or external (host; streamed from SDRAM as far as they do not fit).")
    ] = "host",
    route: Annotated[bool, typer.Option("--route/--no-route", help="Stop after Verilog with --no-route.")] = True,
) -> None:
    """Model to Verilog, images, bitstream and report."""

    def command() -> None:
        chosen = None if array is None else parse_array(array)
        destination = _destination(board, device)
        if seed is not None and not route:
            raise UserError("--seed is that of the placement, which --no-route leaves out: leave out one of the two.")
        if seed is not None and destination in BOARDS and BOARDS[destination].vendor:
            raise UserError(f"--seed is nextpnr's, which does not place {destination}: leave it out.")
        with stages() as progress:
            build = generate(
                model, destination, output, array=chosen, depth=depth, clock_mhz=None if clock is None else parse_clock(clock), rounding=rounding,
                attachment=Attachment(link=link, baud=baud, weights=weights), progress=progress,
            )  # fmt: skip
            vendor = isinstance(build.board, Board) and build.board.vendor
            if route and vendor:
                write_project(build, progress=progress)
            implementation = synthesize_build(build, seed=seed, progress=progress) if route and not vendor else None
        config, manifest = build.compilation.config, build.manifest
        CONSOLE.print(
            f"{build.board.title}: engine {config}, {manifest['cycles']:,} cycles, {100 * manifest['utilization']:.1f} % of the "
            f"array's slots used, {manifest['inferences_per_second']:,.0f} inferences a second at {manifest['clock_hz'] / 1e6:g} MHz"
        )
        asked_hz = manifest["wanted_hz"]
        if abs(manifest["clock_hz"] / asked_hz - 1) > _CLOCK_TOLERANCE:
            CONSOLE.print(
                f"clock: {asked_hz / 1e6:g} MHz were asked for; {manifest['clock_hz'] / 1e6:g} MHz is what the board's PLL makes, without "
                "exceeding that"
            )
        if len(manifest["candidates"]) > 1:
            CONSOLE.print(_candidates(manifest["candidates"]))
        for item in manifest["deviations"]:
            CONSOLE.print(
                f"node {item['node']} ({item['operator']}) may differ from the reference by {item['steps']} output "
                f"step{'s' if item['steps'] > 1 else ''}: {item['reason']}"
            )
        if implementation is not None:
            CONSOLE.print(outcome(implementation))
            if implementation.bitstream is None:
                CONSOLE.print(
                    f"out of context: the core alone, without pins and bitstream; {implementation.clock_hz / 1e6:g} MHz were aimed at"
                )
        if route and vendor:
            CONSOLE.print(f"{vendor} project: {output / 'project'}, not built here; its README.txt says how")
        CONSOLE.print(f"report: {output / 'report.html'}")

    _exit(command)


@app.command("verify")
def _verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a build.")],
    inputs: Annotated[Path | None, typer.Option(help=".npz with an array named as the model's input, or inputs; random without.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The RTL runs only the first inputs; golden model and reference all.")] = None,
    layers: Annotated[int | None, typer.Option(min=0, help="Inputs of which every layer is compared; 20 without.")] = None,
) -> None:
    """The RTL of a build against the golden model and the reference interpreter, layer by layer."""
    _exit(lambda: verify_folder(folder, inputs, limit, layers))


@app.command("run")
def _run(
    folder: Annotated[Path, typer.Argument(help="Folder of a build.")],
    port: Annotated[str | None, typer.Option(help="Serial port of the board.")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the simulated board.")] = False,
    inputs: Annotated[Path | None, typer.Option(help=".npz with an array named as the model's input, or inputs; random without.")] = None,
    save: Annotated[Path | None, typer.Option(help=".npz for the outputs.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first inputs.")] = None,
) -> None:
    """A build on a board, or on the simulated board."""
    _exit(lambda: run_folder(folder, port, simulate, inputs, save, limit))


@app.command("export")
def _export(
    folder: Annotated[Path, typer.Argument(help="Folder of a build.")],
    form: Annotated[str, typer.Option("--as", help="verilog, fusesoc, litex or vivado-ip.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the export; it must not exist, or be empty.")],
    bus: Annotated[str | None, typer.Option(help="axi, wishbone, wishbone-pipelined or core; the form's usual one without.")] = None,
    split: Annotated[bool, typer.Option("--split", help="A Verilog file for each module, not one for all.")] = False,
    primitives: Annotated[str, typer.Option(help="portable Verilog, or with the cells of the build's vendor.")] = "portable",
    name: Annotated[str | None, typer.Option(help="Of the top module; after the model's file without.")] = None,
    memory_base: Annotated[
        str, typer.Option(help="Address in bytes, as 0x10000000, of weights that are read over AXI4; a multiple of 64 MiB.")
    ] = "0",
    memory_timing: Annotated[
        str | None,
        typer.Option(help="LATENCY[,INTERVAL[,GAP[,AHEAD]]] in cycles of the memory there; the header states the cycles with it."),
    ] = None,
) -> None:
    """A build as a part of another system: Verilog with a standard bus, for FuseSoC, LiteX or Vivado."""

    def command() -> None:
        with stages() as progress:
            export_folder(
                folder, output, form, bus=bus, primitives=primitives, each=split, name=name,
                memory_base=parse_address(memory_base),
                memory=None if memory_timing is None else parse_timing(memory_timing), progress=progress,
            )  # fmt: skip

    _exit(command)


@app.command("faults")
def _faults(
    source: Annotated[Path, typer.Argument(help="Folder of a build, or a model.")],
    inputs: Annotated[Path, typer.Option(help=".npz with an array named as the model's input, or inputs, and labels.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for table and plot.")],
    rates: Annotated[str, typer.Option(help="Error rates of one device, commas between.")] = DEFAULT_RATES,
    storage: Annotated[str | None, typer.Option(help="1t1r: a device a bit; 2t2r: a pair; both without.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The first seed.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, max=1000, help="Seeds at each rate.")] = 5,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first inputs.")] = None,
    rtl: Annotated[int, typer.Option(min=0, help="Inputs on which the RTL is compared with the golden model at each rate.")] = 0,
    board: Annotated[str | None, typer.Option(help=f"Board that a model is built for; {DEFAULT_BOARD} without.")] = None,
    array: Annotated[str | None, typer.Option(help="p,m,n of a model's build; chosen without.")] = None,
) -> None:
    """Accuracy with errors in the weight memory: the same wrong bits in golden model and RTL."""

    def command() -> None:
        chosen = None if array is None else parse_array(array)
        fault_command(
            source, inputs, output, rates=rates, storage=storage, seed=seed, repeats=repeats, limit=limit, rtl=rtl, board=board,
            array=chosen,
        )  # fmt: skip

    _exit(command)


@app.command("bringup")
def _bringup(
    board: Annotated[str | None, typer.Option(help="Board; see `macaw boards`.")] = None,
    build: Annotated[Path | None, typer.Option(help="Folder of a build to try; the digits network is built without.")] = None,
    port: Annotated[str | None, typer.Option(help="Serial port of the board; the only USB serial port without.")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the simulated board.")] = False,
    program: Annotated[bool, typer.Option("--program/--no-program", help="Leave the FPGA as it is with --no-program.")] = True,
    probe: Annotated[str | None, typer.Option(help="Serial number of the USB bridge, where several boards are connected.")] = None,
    inputs: Annotated[Path | None, typer.Option(help=".npz with an array named as the model's input, or inputs.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for everything that is made.")] = Path("macaw-bringup"),
) -> None:
    """A board for the first time: programs it, tests memories, link and network, and writes a report."""

    def command() -> None:
        bring_up(
            board, folder=output, build_folder=build, port=port, simulate=simulate, program=program, probe=probe, inputs=inputs
        )

    _exit(command)


@app.command("demo")
def _demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for everything that is made.")] = Path("macaw-demo"),
    board: Annotated[str, typer.Option(help="Board; see `macaw boards`.")] = DEFAULT_BOARD,
    route: Annotated[bool, typer.Option("--route/--no-route", help="Leave out place and route with --no-route.")] = True,
) -> None:
    """Build, verify and run the bundled example."""
    _exit(lambda: demo(output, board, route=route))


@app.command("flash")
def _flash(
    folder: Annotated[Path, typer.Argument(help="Folder of a build with --weights flash.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the image.")],
) -> None:
    """The image for a board's flash, and the command that writes it there."""
    _exit(lambda: write_flash_image(folder, output))


@app.command("boards")
def _boards() -> None:
    """The boards that Macaw builds for: what their devices hold, and what was measured on them."""
    _exit(show_boards)


@app.command("parts")
def _parts(
    word: Annotated[str, typer.Argument(help="Only parts whose number begins so, as gw1nr or lfe5u-45f.")] = "",
) -> None:
    """The parts that --device knows, and what they hold."""
    _exit(lambda: show_parts(word))


def _check_start(words: Sequence[str]) -> None:
    """Raises UserError without a current folder, and for an empty word: as a path it would be the current folder."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise UserError("The current folder does not exist any more: change to another one, as with cd.") from error
    for before, word in zip(["macaw", *words], words, strict=False):
        if not word or re.fullmatch("--?[a-z-]+=", word):
            where = word.rstrip("=") or before
            raise UserError(f"The word after {where} is empty, as from a variable that is not set: give it a value, or leave it out.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line ``argv`` (the process's own without); the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if code := run_command(lambda: _check_start(words)):
        return code
    try:
        app(args=words, prog_name="macaw")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1 if ended.code else 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
