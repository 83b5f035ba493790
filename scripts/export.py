"""A build as Verilog with a standard bus, for other people's flows: `macaw export`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from .. import __version__
from ..export.design import BUSES, FORMS, Design, module_name
from ..export.fusesoc import core_file
from ..export.ip_xact import EDITIONS, component_xml
from ..export.litex import litex_module
from ..export.register_table import c_header
from ..export.verilog_text import header, modules, split
from ..hw.errors import UserError
from ..hw.primitives.target import Family
from ..sim.cost.axi_memory import AxiMemory
from .axi_timing import cycles_with
from .build_folder import Build, load_build, write_images
from .console import CONSOLE, Stages

__all__ = ["PRIMITIVES", "export_folder", "parse_address"]

PRIMITIVES = ("portable", "vendor")
"""Without vendor cells, or with those of the build's device."""

_WITH_CELLS = (Family.ECP5, Family.ICE40, Family.ICE40UP)


def _bus(form: str, bus: str | None) -> str:
    """The bus of a form. Raises UserError if there is no such form or bus, or the form has another bus."""
    if form not in FORMS:
        raise UserError(f"There is no export as {form!r}: choose one of {', '.join(FORMS)} with --as.")
    if bus is not None and bus not in BUSES:
        raise UserError(f"There is no bus {bus!r}: choose one of {', '.join(BUSES)} with --bus.")
    if bus is not None and bus not in FORMS[form]:
        raise UserError(f"An export as {form} has the bus {' or '.join(FORMS[form])}, not {bus}: leave --bus out, or export as verilog.")
    return bus or FORMS[form][0]


def _family(build: Build, form: str, primitives: str) -> Family | None:
    """The family whose cells are wanted. Raises UserError if there are none."""
    if primitives not in PRIMITIVES:
        raise UserError(f"There are no primitives {primitives!r}: choose {' or '.join(PRIMITIVES)} with --primitives.")
    if primitives == "portable":
        return None
    family = build.board.family
    if form == "vivado-ip":
        raise UserError(f"Vivado's devices have no cells of the family {family.value}: leave --primitives out.")
    if family not in _WITH_CELLS:
        raise UserError(f"Engines for {family.value} have no vendor cells, tools infer them: leave --primitives out.")
    return family


def parse_address(text: str) -> int:
    """A number, decimal or with 0x. Raises UserError if it is none."""
    try:
        return int(text, 0)
    except ValueError as error:
        raise UserError(f"{text!r} is no address: give a number as 0x10000000 with --memory-base.") from error


def _check_output(output: Path) -> None:
    """Raise UserError unless ``output`` is absent or an empty folder."""
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise UserError(f"{output} is there already and is no folder: choose another with -o.")
    if output.is_dir() and any(output.iterdir()):
        raise UserError(f"The folder {output} is not empty: choose another with -o, or remove it.")
    above = next(folder for folder in output.absolute().parents if folder.exists())
    if not above.is_dir():
        raise UserError(f"The folder {output} cannot be made, {above} is a file: choose another with -o.")


def _files(design: Design, form: str, *, each: bool) -> dict[str, str]:
    """Names and texts of everything but the images."""
    texts, top = modules(design)
    verilog = split(texts, header(design), each=each)
    if each:
        verilog = {f"rtl/{name}": text for name, text in verilog.items()}
    names = list(verilog)
    map_header = f"{design.name}_map.h"
    files = verilog | {map_header: c_header(design)}
    if form == "fusesoc":
        files[f"{design.name}.core"] = core_file(design, names, map_header)
    elif form == "litex":
        files[f"{design.name}_litex.py"] = litex_module(design, top, names)
    elif form == "vivado-ip":
        for edition in EDITIONS:
            name = "component.xml" if edition == 2009 else f"{design.name}_1685_{edition}.xml"
            files[name] = component_xml(design, top, names, edition)
    return files


def export_folder(
    folder: Path, output: Path, form: str, *, bus: str | None = None, primitives: str = "portable", each: bool = False,
    name: str | None = None, memory_base: int = 0, memory: AxiMemory | None = None, progress: Stages,
) -> Design:  # fmt: skip
    """Export the build in ``folder`` into the folder ``output``, which appears complete or not at all.

    ``form`` is one of FORMS, ``bus`` one of its buses; ``each``: a Verilog file for each module. The result holds the
    Verilog, a C header with the address map, the images and what the form needs. ``memory_base``: where streamed weights lie;
    ``memory``: the memory there, for which cycles are stated instead of those with the build's own.

    Raises UserError for a folder that is no complete build, an output that is there already, or a choice that does not exist.
    """
    chosen = _bus(form, bus)
    _check_output(output)
    progress("load", 0.0, str(folder))
    build = load_build(folder)
    family = _family(build, form, primitives)
    compilation = build.compilation
    graph, maps = compilation.graph, compilation.program.maps
    if graph.input not in maps:
        raise UserError(
            f"The input of the build in {folder} is larger than its feature buffer and lies in the external memory, where the streams "
            "and windows of an export do not reach: build it for a larger device."
        )
    weights = compilation.weights
    if weights is None and memory_base:
        raise UserError("The engine keeps all weights on the chip and reads nothing from a memory: leave --memory-base out.")
    design = Design(
        name=module_name(f"macaw_{Path(build.manifest['model']).stem}") if name is None else name,
        bus=chosen,
        config=compilation.config,
        model=build.manifest["model"],
        cycles=compilation.cycles if memory is None else cycles_with(compilation, memory),
        source=maps[graph.input],
        target=maps[graph.output],
        family=family,
        version=__version__,
        memory_base=memory_base,
        memory_words=0 if weights is None else weights.external_words(compilation.config),
    )
    progress("load", 1.0, design.name)
    progress("export", 0.1, form)
    files = _files(design, form, each=each)
    _write(output, files, build)
    progress("export", 1.0, f"{len(files)} files")
    CONSOLE.print(f"{design.name}: {design.description}; in {output}")
    return design


def _write(output: Path, files: dict[str, str], build: Build) -> None:
    """All files and the images, at once."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    except OSError as error:
        raise UserError(f"The output folder {output} cannot be written ({error.strerror}): choose another with -o.") from error
    try:
        for name, text in files.items():
            path = temporary / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        write_images(temporary, build.images)
        temporary.chmod(0o755)
        temporary.rename(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
