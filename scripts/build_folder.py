"""A build on disk: what is in it, when it counts as complete, and how it is loaded again."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .. import __version__
from ..boards.accelerator import Images
from ..boards.attachment import Attachment
from ..boards.board import Board
from ..boards.catalog import BOARDS, find_destination
from ..boards.device import Device
from ..boards.harness import SDRAM_PIN_DELAY
from ..compiler.budget import Budget
from ..compiler.compilation import Compilation, compile_graph
from ..compiler.fixed_point import ROUNDINGS
from ..compiler.model_import import import_model, is_tflite
from ..hw.config import EngineConfig
from ..hw.emitted_module import EmittedModule
from ..hw.errors import UserError
from ..hw.external.sdram_engine import SdramEngine
from ..hw.primitives.target import Family
from ..sim.core_simulation import CoreSimulation
from ..sim.cost.external_memory import Sdram
from ..sim.cost.resources import host_link_block_rams
from ..sim.memory_system import memory_system
from .output_folder import check_output_folder

__all__ = [
    "PRODUCTS",
    "Build",
    "all_budgets",
    "board_budget",
    "copy_model",
    "load_build",
    "check_build_folder",
    "open_folder",
    "write_images",
    "write_manifest",
]

MANIFEST = "build.json"
"""Written last: a folder without it is not a build."""

MODEL_COPIES = ("model.onnx", "model.tflite")
"""What the copy of the model is called, by its format."""

FLASH_IMAGE = "flash.bin"
"""What the board's flash holds where the weights come from there."""

_IMAGES = ("program", "taps", "weights", "external")
PRODUCTS = (
    MANIFEST, "manifest.json", "report.json", "report.html", "verify.json", "macaw.bit", "macaw.bin", "macaw.fs",
    "core.v", "board.v", FLASH_IMAGE,
    *(f"images/{name}.hex" for name in _IMAGES),
    *(f"driver/{name}" for name in ("macaw.h", "macaw.c", "images.c", "example.c")),
    *(f"project/{name}" for name in ("README.txt", "macaw.v", "macaw.tcl", "macaw.xdc", "macaw.qsf", "macaw.qpf", "macaw.sdc")),
    *(f"implementation/macaw.{suffix}" for suffix in ("bit", "bin", "fs", "implementation.json")),
)  # fmt: skip
"""What a build makes that could be taken for its result: nothing else in the folder is ever removed."""

_MODELS = ("model.onnx", "model.tflite")
_MARK = ".macaw"
"""In a folder of builds, also of one that was interrupted."""

_SIZED_AS = {Family.XILINX: Family.ECP5, Family.INTEL: Family.ECP5}
"""Families without figures of their own (boards/vendor_device.py)."""

_LINK_LUTS = {Family.ECP5: 800, Family.ICE40: 930, Family.ICE40UP: 930, Family.GOWIN: 930, Family.NEXUS: 930}
_USABLE_LUTS = {Family.ECP5: 0.75, Family.ICE40: 0.95, Family.ICE40UP: 0.97, Family.GOWIN: 0.90, Family.NEXUS: 0.75}
_CHOICE_LUTS = {Family.ECP5: 0.65, Family.ICE40: 0.95, Family.ICE40UP: 0.97, Family.GOWIN: 0.80, Family.NEXUS: 0.30}
_MOST_CHOICE_LUTS = {Family.ECP5: 24300}
"""Where an engine that the compiler chooses ends: a share of the device, and so many. Measured with nextpnr: an ECP5-12F and a 25F of
which 62 and 59 % are used are as fast as with half of that (`boards/figures.json`); on an 85F the ways to the weight memory's
blocks get long."""
_CHOICE_LUTS_OF_PARTS = {"LFE5UM?(5G)?-45F-": 0.36, "GW5A-": 0.25}
"""Instead of the family's share, by how part numbers begin. nextpnr 0.11 takes five minutes for a third of a 45F (digits, 1 x 16 x 8);
half of it, 3 x 8 x 8, has an eighth fewer cycles, took ten minutes on a ULX3S and was not routed after thirteen on an ECPIX-5. It takes
two minutes for a fifth of a GW5A-25 (1 x 2 x 2), and had not placed a half (1 x 4 x 8) after ten."""


_LOADER_LUTS = 150
"""What the flash reader and loader take of an engine's room: 149 logic cells of an iCE40, with what they are multiplexed with
(nextpnr, keyword spotting on 2 x 4 x 2). With 5,194 of 5,280 cells the placer found no legal places within an hour."""

_SUGGESTED = ("ulx3s-85f", "ulx3s-25f", "icebreaker")
"""Boards to name where a network does not fit: one search each."""


def board_budget(board: Board | Device, weights: str = "host", clock_hz: int | None = None) -> Budget:
    """What an engine may take of a board's device, or of a device, with its weights from one of WEIGHTS, at ``clock_hz``
    (default: the board's)."""
    external = None
    if weights == "external" and isinstance(board, Board) and board.sdram is not None:
        external = Sdram(cycles=board.sdram.cycles(clock_hz or board.clock_hz()), pin_delay=SDRAM_PIN_DELAY)
    capacity = board.capacity
    family = _SIZED_AS.get(board.family, board.family)
    taken = _LINK_LUTS[family] + (_LOADER_LUTS if weights == "flash" else 0)
    luts = max(round(capacity.luts * _USABLE_LUTS[family]) - taken, 0)
    measured = (share for beginning, share in _CHOICE_LUTS_OF_PARTS.items() if re.match(beginning, board.part))
    share = next(measured, _CHOICE_LUTS[family])
    choice = min(luts, max(round(capacity.luts * share) - taken, 0), _MOST_CHOICE_LUTS.get(family, luts))
    return Budget(
        name=board.name,
        family=family,
        luts=luts,
        choice_luts=choice,
        block_rams=max(capacity.block_rams - host_link_block_rams(family), 0),
        multipliers=capacity.multipliers,
        single_port_rams=capacity.single_port_rams,
        multiplier_latency=board.multiplier_latency,
        requantizer_digit=board.requantizer_digit,
        weight_memory=board.weight_memory,
        external=external,
        unused_memory="SDRAM" if external is None and isinstance(board, Board) and board.sdram is not None else "",
    )


@dataclass(frozen=True, kw_only=True)
class Build:
    """A complete build: its folder, its manifest and the network in it, compiled again from the model's copy.

    ``board`` is a device where the engine is built out of context.
    """

    folder: Path
    manifest: dict[str, Any]
    board: Board | Device
    compilation: Compilation
    images: Images

    @property
    def model(self) -> Path:
        """The copy of the model."""
        return self.folder / self.manifest["model_copy"]

    @property
    def core(self) -> Path:
        """Verilog of the core."""
        return self.folder / "core.v"

    @property
    def harness(self) -> Path:
        """Verilog of the board top's inside, with serial pins."""
        return self.folder / "board.v"

    @property
    def attachment(self) -> Attachment:
        """Its link, and where its weights come from."""
        return Attachment(**self.manifest["attachment"])

    def simulate_core(self) -> CoreSimulation:
        """The core's RTL, compiled, with an SDRAM at its pins where it streams its weights."""
        if not self.compilation.config.streaming:
            return CoreSimulation(self.core, self.simulation_folder)
        assert isinstance(self.board, Board) and self.board.sdram is not None
        clock_hz = self.manifest["clock_hz"]
        self.simulation_folder.mkdir(exist_ok=True)
        path = self.simulation_folder / "system.v"
        core = EmittedModule(SdramEngine.interface(), "core")
        path.write_text(
            memory_system(core, self.core.read_text(), self.board.sdram, clock_hz, SDRAM_PIN_DELAY, name="system")
        )
        return CoreSimulation(path, self.simulation_folder, top="system")

    @property
    def simulation_folder(self) -> Path:
        """Where compiled simulations are kept."""
        return self.folder / "simulation"


def check_build_folder(folder: Path, model: Path) -> None:
    """Change nothing; raise UserError if ``folder`` cannot be written, or a build of ``model`` would overwrite a file of no build."""
    check_output_folder(folder)
    if (folder / MANIFEST).is_file() or (folder / _MARK).is_file():
        return
    for name in (*PRODUCTS, *_MODELS):
        path = folder / name
        if path.exists() and not (name in _MODELS and path.samefile(model)):
            raise UserError(
                f"The output folder {folder} holds {name}, which is not of a build: choose another with -o, or move that file away."
            )


def open_folder(folder: Path) -> None:
    """Make ``folder`` ready for a build; products of one before are removed, so that nothing old looks new.

    Raises UserError if it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).write_text("Macaw builds here, and replaces what it has built.\n")
        for name in PRODUCTS:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"The output folder {folder} cannot be written ({error.strerror}): choose another with -o."
        ) from error


def write_images(folder: Path, images: Images) -> None:
    """One hexadecimal 32-bit word a line, in the order of the region."""
    (folder / "images").mkdir(exist_ok=True)
    for name in _IMAGES:
        words = getattr(images, name)
        if name == "external" and not len(words):
            continue
        (folder / "images" / f"{name}.hex").write_text("".join(f"{word:08x}\n" for word in words))


def copy_model(model: Path, folder: Path) -> str:
    """A copy of the model in one file, data that it keeps beside it included; the file's name, which tells the format."""
    target = folder / _MODELS[is_tflite(model)]
    if target.exists() and target.samefile(model):
        return target.name
    if target.suffix == ".onnx":
        proto = onnx.load(str(model), load_external_data=False)
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in proto.graph.initializer):
            onnx.save(onnx.load(str(model)), str(target))
            return target.name
    shutil.copyfile(model, target)
    return target.name


def _read_image(path: Path) -> NDArray[np.uint32]:
    try:
        return np.array([int(line, 16) for line in path.read_text().split()], np.uint32)
    except (OSError, ValueError) as error:
        raise UserError(f"The image {path} is missing or damaged: build again.") from error


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest at once or not at all."""
    temporary = folder / f".{MANIFEST}"
    temporary.write_text(json.dumps(manifest, indent=2) + "\n")
    os.replace(temporary, folder / MANIFEST)


def _missing(built: EngineConfig, needed: EngineConfig) -> str:
    """What an engine lacks for a network, in words: number formats first, else the parameters that differ."""
    for what, name in (("multiplies", "products"), ("writes", "output_formats")):
        if absent := [item for item in getattr(needed, name) if item not in getattr(built, name)]:
            return f"it {what} {', '.join(getattr(built, name))}, not {', '.join(absent)}"
    plain = needed.to_dict()
    return f"in {', '.join(name for name, value in built.to_dict().items() if value != plain[name])}"


def load_build(folder: Path) -> Build:
    """Load a complete build. Raises UserError if there is none, or one of another version of Macaw."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} holds no complete build: make one with `macaw build MODEL --board BOARD -o {folder}`."
        ) from error
    except NotADirectoryError as error:
        raise UserError(f"{folder} is a file, not the folder of a build: name the one that `macaw build` wrote with -o.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: build again.") from error
    try:
        board = find_destination(manifest["board"])
        config = EngineConfig.from_dict(manifest["engine"])
        identity, version = manifest["identity"], manifest["macaw"]
        model, rounding = manifest["model_copy"], manifest["rounding"]
        attachment = Attachment(**manifest["attachment"])
        if model not in MODEL_COPIES or rounding not in (None, *ROUNDINGS):
            raise TypeError("no such model or rounding")
        if not all(isinstance(manifest[name], int) for name in ("divisor", "baud", "clock_hz", "wanted_hz")):
            raise TypeError("a number is not an integer")
    except (KeyError, TypeError, AttributeError, UserError) as error:
        raise UserError(f"{path} is damaged: build again.") from error
    array, depth = (config.p, config.m, config.n), config.depth
    compilation = compile_graph(import_model(folder / model, rounding), board_budget(board, attachment.weights, manifest["clock_hz"]), array=array, depth=depth)
    if compilation.config != config and version == __version__:
        raise UserError(f"The build in {folder} has another engine than {model} needs ({_missing(config, compilation.config)}): build again.")
    if f"{compilation.config.identity:016x}" != identity:
        raise UserError(
            f"The build in {folder} was made by Macaw {version}, whose engine differs from that of {__version__}: build again."
        )
    names = _IMAGES if config.streaming else _IMAGES[:-1]
    images = Images(*(_read_image(folder / "images" / f"{name}.hex") for name in names))
    for name in names:
        if not np.array_equal(getattr(images, name), getattr(compilation.program, name)):
            raise UserError(f"The image {folder / 'images' / f'{name}.hex'} is not that of {model}: build again.")
    return Build(folder=folder, manifest=manifest, board=board, compilation=compilation, images=images)


def all_budgets() -> list[Budget]:
    """Budgets of boards of several sizes, to name those that a network would fit."""
    return [board_budget(BOARDS[name]) for name in _SUGGESTED]
