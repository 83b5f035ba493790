"""Figures of a component alone: its cells after synthesis, its clock after place and route."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value

from ..hw.primitives.target import Family, Target
from .board import Board
from .executable import find_tool
from .resources import Resources
from .stage import Progress, silent
from .toolchain import Implementation, keep_copies, place_and_route, run_synthesis
from .ulx3s import ULX3S_85F

__all__ = ["implement_component", "synthesize"]

_SCRIPT = """\
read_rtlil macaw.il
{keep_copies}
{synthesis} -top macaw
tee -q -o macaw.stat.json stat -json
write_json macaw.json
"""


class _Isolated(Elaboratable):
    """A component between registers: inputs from one shift register, outputs into registers that nothing reads."""

    def __init__(self, component: Any) -> None:
        self.component = component
        self.serial = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.component = component = self.component
        inputs: list[Value] = []
        outputs: list[Value] = []
        for _, member, value in component.signature.flatten(component):
            value = Value.cast(value)
            (inputs if member.flow.name == "In" else outputs).append(value)
        width = sum(len(value) for value in inputs)
        chain = Signal(width, attrs={"keep": "true"}, reset_less=True)
        m.d.sync += chain.eq(Cat(self.serial, chain)[:width])
        position = 0
        for value in inputs:
            m.d.comb += value.eq(chain[position : position + len(value)])
            position += len(value)
        result = Signal(sum(len(value) for value in outputs), attrs={"keep": "true"}, reset_less=True)
        m.d.sync += result.eq(Cat(outputs))
        return m


def _prepare(component: Any, folder: Path, family: Family, ports: Any = None) -> str:
    """Write the design and its script; the script's name."""
    text = rtlil.convert(component, name="macaw", ports=ports, platform=Target(family), emit_src=False)
    (folder / "macaw.il").write_text(text)
    synthesis = "synth_ecp5" if family is Family.ECP5 else "synth_ice40"
    (folder / "macaw.ys").write_text(_SCRIPT.format(synthesis=synthesis, keep_copies=keep_copies(family)))
    return "macaw.ys"


def synthesize(
    component: Any, family: Family, directory: Path | None = None, *, progress: Progress = silent
) -> Resources:
    """Cells of a component after synthesis for a family, nothing around it.

    Files stay in ``directory`` if there is one. Raises CheckFailed if Yosys fails, UserError if it is missing.
    """
    if directory is None:
        with tempfile.TemporaryDirectory() as temporary:
            return synthesize(component, family, Path(temporary), progress=progress)
    folder = Path(directory).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return run_synthesis(folder, _prepare(component, folder, family), family, progress)[0]


def implement_component(
    component: Any, directory: Path, *, board: Board = ULX3S_85F, seed: int = 1, clock_hz: int,
    progress: Progress = silent,
) -> Implementation:  # fmt: skip
    """Place and route a component alone on a board's device.

    Its inputs come from one long shift register, its outputs end in registers that nothing reads: every path of the
    component counts and no look-up table is added. ``resources.registers`` include those around it. Missed timing is no
    error here: compare ``fmax_hz``.

    Raises CheckFailed if the component does not fit or a tool fails, UserError if a tool is missing.
    """
    folder = Path(directory).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    isolated = _Isolated(component)
    script = _prepare(isolated, folder, board.family, ports=[isolated.serial])
    seconds = {}
    netlist, seconds["synthesis"] = run_synthesis(folder, script, board.family, progress)
    ecp5 = board.family is Family.ECP5
    arguments = ["--freq", f"{clock_hz / 1e6:g}", "--lpf-allow-unconstrained" if ecp5 else "--pcf-allow-unconstrained"]
    fmax_hz, resources, seconds["place and route"] = place_and_route(
        folder, board, arguments, seed=seed, clock_hz=clock_hz, netlist=netlist, progress=progress
    )
    names = ("yosys", "nextpnr-ecp5" if ecp5 else "nextpnr-ice40")
    return Implementation(
        board=board.name, seed=seed, clock_hz=clock_hz, fmax_hz=fmax_hz, netlist=netlist, resources=resources,
        versions={name: find_tool(name).version for name in names}, seconds=seconds, bitstream=None,
    )  # fmt: skip
