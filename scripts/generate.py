"""Model to Verilog: import, compile, emit, report. `python -m macaw.scripts.generate --help`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import __version__
from ..boards.accelerator import Images
from ..boards.attachment import WEIGHTS, Attachment
from ..boards.board import Board
from ..boards.catalog import find_destination
from ..boards.flash_image import flash_image
from ..boards.harness import LINKS, SDRAM_PIN_DELAY, Harness
from ..compiler.compilation import Compilation, compile_graph
from ..compiler.fixed_point import ROUNDINGS
from ..compiler.model_import import import_model, model_rounding
from ..compiler.requantize import deviations
from ..compiler.weight_streaming import StreamBlock
from ..hw.emit import verilog, write_verilog
from ..hw.emitted_module import EmittedModule
from ..hw.engine import Engine
from ..hw.errors import UserError
from ..hw.external.sdram_engine import SdramEngine
from ..sim.cost.utilization import slot_use
from ..sim.memory_system import memory_system
from .build_folder import (
    FLASH_IMAGE,
    Build,
    all_budgets,
    board_budget,
    check_build_folder,
    copy_model,
    open_folder,
    write_images,
    write_manifest,
)
from .c_driver import write_driver
from .console import Stages, run_command, stages
from .provenance import write_provenance
from .report import write_report

__all__ = ["generate", "main", "parse_array", "parse_clock"]

_CLOCK_MHZ = (1, 1000)


def parse_array(text: str) -> tuple[int, int, int]:
    """``p,m,n`` as three integers. Raises UserError."""
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise UserError(f"--array is p,m,n (pixels, bytes in a word, output lanes), as in 4,8,4, not {text[:40]!r}.")
    p, m, n = (int(part) for part in parts)
    return p, m, n


def parse_clock(text: str) -> float:
    """MHz. Raises UserError for what is no number."""
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"--clock is a frequency in MHz, as in 100, not {text[:40]!r}.") from error


def layer_table(compilation: Compilation) -> list[dict[str, Any]]:
    """One row a layer: shapes, products, cycles, the share of the array's slots that did useful work, and what the others
    were lost to (``slots``: shares that sum to 1; ``reasons``: in words, where the layer uses less than 85 %)."""
    graph, config = compilation.graph, compilation.config
    array = config.p, config.m, config.n
    rows = []
    for plan, layer, cycles in zip(
        compilation.plan.layers, compilation.program.layers, compilation.layer_cycles, strict=True
    ):
        use = slot_use(plan.shape, array, cycles, sum(tile.rows for tile in plan.tiles))
        rows.append(
            {
                "name": layer.name,
                "operator": layer.operator,
                "input": list(graph.tensors[layer.input].shape),
                "output": list(graph.tensors[layer.output].shape),
                "tensor": layer.output,
                "descriptors": len(layer.descriptors),
                "products": layer.products,
                "cycles": cycles.total,
                "steps": cycles.steps,
                "parameters": cycles.parameters,
                "stalls": cycles.stalls,
                "drain": cycles.drain,
                "overhead": cycles.overhead,
                "waiting": cycles.waiting,
                "external_bytes": 4 * cycles.external_words,
                "map_bytes_read": 4 * cycles.map_words_read,
                "map_bytes_written": 4 * cycles.map_words_written,
                "weight_words": cycles.weight_words,
                "utilization": use.useful / use.total,
                "slots": use.shares(),
                "reasons": use.reasons(plan.shape, array),
            }
        )
    return rows


def external_summary(compilation: Compilation) -> dict[str, Any] | None:
    """How much is read from and written to the external memory in an inference, and what waits for it; None without."""
    if compilation.weights is None:
        return None
    layers, plan = compilation.layer_cycles, compilation.plan
    return {
        "bytes": 4 * (len(compilation.program.external) + sum(cycles.map_words_read for cycles in layers)),
        "written_bytes": 4 * sum(cycles.map_words_written for cycles in layers),
        "stream_bytes": 4 * len(compilation.program.external),
        "map_bytes_read": 4 * sum(cycles.map_words_read for cycles in layers),
        "blocks": len(compilation.weights.blocks),
        "pinned_words": compilation.weights.pinned_words,
        "streamed_words": sum(block.words for block in compilation.weights.blocks if isinstance(block, StreamBlock)),
        "waiting": sum(cycles.waiting for cycles in layers),
        "segments": [
            {
                "layers": [layer.node.name for layer in plan.layers[segment.first : segment.last + 1]],
                "tiles": len(segment.moves),
            }
            for segment in plan.segments
        ],
    }


def map_table(compilation: Compilation) -> dict[str, Any]:
    """Where each map lies that does so as a whole: in the feature buffer, or from ``external`` on in the external memory."""
    tensors, program = compilation.graph.tensors, compilation.program
    return {
        name: {
            "shape": list(tensors[name].shape),
            "format": layout.format,
            "base": layout.base,
            "size": layout.size,
            "plane_words": layout.plane_words,
            "phases": layout.phases,
        }
        for name, layout in program.maps.items()
    } | {
        name: {
            "shape": list(tensors[name].shape),
            "format": place.layout.format,
            "external": place.first,
            "size": place.size,
            "plane_words": place.plane_words,
            "phases": place.layout.phases,
        }
        for name, place in program.spilled.items()
    }


def candidate_table(compilation: Compilation, products: int, clock_hz: int) -> list[dict[str, Any]]:
    """One row for each of the fastest engines that fit, the fastest first."""
    return [
        {
            "array": list(item.array),
            "depth": item.config.depth,
            "arrangement": str(item.arrangement),
            "cycles": item.cycles,
            "inferences_per_second": clock_hz / item.cycles,
            "utilization": products / item.engine.slots,
            "luts": item.resources.luts,
            "block_rams": item.resources.block_rams,
            "multipliers": item.resources.multipliers,
        }
        for item in compilation.candidates
    ]


def generate(
    model: Path,
    board_name: str,
    folder: Path,
    *,
    array: tuple[int, int, int] | None = None,
    depth: int | None = None,
    clock_mhz: float | None = None,
    rounding: str | None = None,
    attachment: Attachment | None = None,
    progress: Stages,
) -> Build:
    """Import and compile ``model``, write Verilog, images, manifest and report into ``folder``.

    ``board_name`` is that of a board, or the number of a part for a core without pins.
    ``rounding`` is that of a TensorFlow Lite model (compiler/fixed_point.py). ``attachment``: host link and source of the
    weights; a serial line and the host without it.
    """
    started = time.monotonic()
    board = find_destination(board_name)
    attachment = attachment or Attachment()
    attachment.check(board)
    check_build_folder(folder, model)
    if clock_mhz is not None and not _CLOCK_MHZ[0] <= clock_mhz <= _CLOCK_MHZ[1]:
        raise UserError(f"--clock is a frequency from {_CLOCK_MHZ[0]} to {_CLOCK_MHZ[1]} MHz, as in 100, not {clock_mhz:g}.")
    wanted_hz = None if clock_mhz is None else round(clock_mhz * 1e6)
    clock_hz = board.clock_hz(wanted_hz)
    divisor, baud = attachment.rate(board, clock_hz)
    progress("import", 0.0, str(model))
    rounding = model_rounding(model, rounding)
    graph = import_model(model, rounding)
    progress("import", 1.0, f"{len(graph.nodes)} layers")
    compilation = compile_graph(
        graph,
        board_budget(board, attachment.weights, clock_hz),
        array=array,
        depth=depth,
        others=all_budgets(),
        progress=lambda done, total: progress("compile", 0.9 * done / total, "choosing the array"),
    )
    config = compilation.config
    attachment.check_engine(board, config)
    place = attachment.flash_place(board)
    progress("compile", 1.0, f"{config}, {compilation.cycles:,} cycles")

    open_folder(folder)
    progress("verilog", 0.1, "core.v")
    program = compilation.program
    images = Images(program.program, program.taps, program.weights, program.external)
    contents = images if attachment.weights == "bitstream" else None
    sdram = board.sdram if config.streaming and isinstance(board, Board) else None
    engine: Engine | SdramEngine = (
        Engine(config, clock_hz=clock_hz, boot=place is not None, contents=contents)
        if sdram is None
        else SdramEngine(config, clock_hz=clock_hz, timing=sdram, pin_delay=SDRAM_PIN_DELAY)
    )
    core = write_verilog(engine, folder / "core.v", name="core")
    progress("verilog", 0.9, "board.v")
    harness = Harness(
        config,
        divisor=divisor,
        clock_hz=clock_hz,
        engine=EmittedModule(engine, "core"),
        link=attachment.link,
        boot_address=place.address if place else None,
        sdram=sdram,
    )
    if sdram is None:
        board_text = verilog(harness) + core.read_text()
    else:
        inner = verilog(harness, name="harness") + core.read_text()
        board_text = memory_system(
            EmittedModule(harness, "harness"), inner, sdram, clock_hz, SDRAM_PIN_DELAY, name="top"
        )
    (folder / "board.v").write_text(board_text)
    write_images(folder, images)
    if place:
        image = flash_image(config.identity, images).data
        place.check(len(image), board.title)
        (folder / FLASH_IMAGE).write_bytes(image)
    model_copy = copy_model(model, folder)
    if compilation.graph.input in program.maps:  # the driver writes inputs to the feature buffer
        write_driver(
            folder, compilation, graph, images, model=Path(model).name, board=board.title, clock_hz=clock_hz, baud=baud
        )
    progress("verilog", 1.0, "core.v, board.v, images")

    products = sum(layer.products for layer in program.layers)
    manifest: dict[str, Any] = {
        "macaw": __version__,
        "model": Path(model).name,
        "model_copy": model_copy,
        "rounding": rounding,
        "board": board.name,
        "clock_hz": clock_hz,
        "wanted_hz": board.default_clock_hz if wanted_hz is None else wanted_hz,
        "divisor": divisor,
        "baud": baud,
        "attachment": asdict(attachment),
        "engine": config.to_dict(),
        "arrangement": str(compilation.arrangement),
        "identity": f"{config.identity:016x}",
        "cycles": compilation.cycles,
        "products": products,
        "utilization": products / compilation.slots,
        "inferences_per_second": clock_hz / compilation.cycles,
        "layers": layer_table(compilation),
        "maps": map_table(compilation),
        "memories": {
            "feature_words": [program.feature_words(), config.feature_depth],
            "weight_words": [program.weight_words, config.weight_depth],
            "program_words": [len(program.program), config.program_depth],
            "image_bytes": 4 * images.words,
        },
        "external": external_summary(compilation),
        "estimate": {
            "luts": compilation.resources.luts,
            "block_rams": compilation.resources.block_rams,
            "multipliers": compilation.resources.multipliers,
            "single_port_rams": compilation.resources.single_port_rams,
        },
        "deviations": [
            {"node": item.node, "operator": item.operator, "steps": item.steps, "reason": item.reason}
            for item in deviations(graph, compilation.certified)
        ],
        "candidates": candidate_table(compilation, products, clock_hz),
        "seconds": {"generate": time.monotonic() - started},
        "implementation": None,
    }
    write_report(folder, manifest)
    write_provenance(folder, manifest)
    write_manifest(folder, manifest)
    return Build(folder=folder, manifest=manifest, board=board, compilation=compilation, images=images)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="generate", description="Quantized model to Verilog and program images.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--board", required=True, help="board, or part for a core without pins")
    parser.add_argument("--array", help="p,m,n; chosen by the compiler if left out")
    parser.add_argument("--depth", type=int, help="chosen by the compiler if left out")
    parser.add_argument("--clock", help="MHz; the board's default without")
    parser.add_argument("--rounding", choices=ROUNDINGS, help="of a TensorFlow Lite model")
    parser.add_argument("--link", choices=LINKS, default="uart")
    parser.add_argument("--baud", type=int, help="of the serial line; the board's default without it")
    parser.add_argument("--weights", choices=WEIGHTS, default="host", help="where they come from")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args(argv)

    def command() -> None:
        with stages() as progress:
            generate(
                arguments.model,
                arguments.board,
                arguments.output,
                array=parse_array(arguments.array) if arguments.array else None,
                depth=arguments.depth,
                clock_mhz=None if arguments.clock is None else parse_clock(arguments.clock),
                rounding=arguments.rounding,
                attachment=Attachment(link=arguments.link, baud=arguments.baud, weights=arguments.weights),
                progress=progress,
            )

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
