"""Figures of a component alone: its cells after synthesis, its clock after place and route."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value

from ..hw.primitives.target import Family, Target
from .board import Board
from .device import Device, find_device
from .executable import find_tool
from .flow import flow_of
from .resources import Resources
from .stage import Progress, silent
from .toolchain import Implementation, keep_copies, place_and_route, run_synthesis
from .ulx3s import ULX3S_85F

__all__ = ["implement_component", "netlist_of", "synthesize"]

_SCRIPT = """\
read_rtlil macaw.il
{keep_copies}
{synthesis} -top macaw
tee -q -o macaw.stat.json stat -json
{write}
"""
_NETLIST = "macaw.netlist.v"


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


def _prepare(
    component: Any, folder: Path, destination: Board | Device, ports: Any = None, write: str = "write_json macaw.json"
) -> str:
    """Write the design and its script; the script's name. ``write``: the Yosys command that writes the netlist."""
    text = rtlil.convert(component, name="macaw", ports=ports, platform=Target(destination.family), emit_src=False)
    (folder / "macaw.il").write_text(text)
    flow = flow_of(destination)
    # Where nothing is placed there are no pads.
    pads = "" if ports else flow.no_pads
    synthesis = " ".join(word for word in (flow.synthesis, flow.synthesis_options, pads) if word)
    name, text = flow.stand_ins
    if name:
        (folder / name).write_text(text)
    (folder / "macaw.ys").write_text(
        _SCRIPT.format(synthesis=synthesis, keep_copies=keep_copies(destination.family), write=write)
    )
    return "macaw.ys"


_EXAMPLES = {
    Family.ECP5: "LFE5U-85F-6BG381C", Family.ICE40: "iCE40HX8K-CT256", Family.ICE40UP: "iCE40UP5K-SG48",
    Family.GOWIN: "GW1NR-LV9QN88PC6/I5", Family.NEXUS: "LIFCL-40-9BG400C",
}  # fmt: skip
"""A device of each family: all of a family are synthesized alike."""


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
    return run_synthesis(folder, _prepare(component, folder, find_device(_EXAMPLES[family])), family, progress)[0]


def netlist_of(component: Any, family: Family, directory: Path, *, name: str) -> str:
    """Verilog of a component's cells after synthesis for a family, with ``name`` as its module; the ports are those of
    :func:`macaw.hw.emit.verilog`.

    Files stay in ``directory``. Raises CheckFailed if Yosys fails, UserError if it is missing.
    """
    folder = Path(directory).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write = f"rename macaw {name}\nwrite_verilog -noattr {_NETLIST}"
    run_synthesis(folder, _prepare(component, folder, find_device(_EXAMPLES[family]), write=write), family, silent)
    return (folder / _NETLIST).read_text()


def implement_component(
    component: Any, directory: Path, *, board: Board | Device = ULX3S_85F, seed: int = 1, clock_hz: int,
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
    script = _prepare(isolated, folder, board, ports=[isolated.serial])
    seconds = {}
    netlist, seconds["synthesis"] = run_synthesis(folder, script, board.family, progress)
    flow = flow_of(board)
    arguments = ["--freq", f"{clock_hz / 1e6:g}", *flow.no_pins]
    fmax_hz, resources, seconds["place and route"] = place_and_route(
        folder, board, arguments, seed=seed, clock_hz=clock_hz, netlist=netlist, progress=progress
    )
    names = ("yosys", flow.nextpnr)
    return Implementation(
        board=board.name, seed=seed, clock_hz=clock_hz, fmax_hz=fmax_hz, netlist=netlist, resources=resources,
        versions={name: find_tool(name).version for name in names}, seconds=seconds, bitstream=None,
    )  # fmt: skip
