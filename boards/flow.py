"""The open tools of each family: which they are, and what they are told beyond what all are told."""

from __future__ import annotations

from dataclasses import dataclass

from ..hw.errors import UserError
from ..hw.primitives.target import Family
from .board import Board
from .device import Device
from .gowin_parts import gowin_parts

__all__ = ["Flow", "flow_of"]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Synthesis to bitstream for a device; file names are those in the folder of an implementation.

    Attributes
    ----------
    synthesis : str
        Yosys command, without the top module.
    synthesis_options : str
        Its options for the device.
    no_pads : str
        Option of the synthesis command that leaves the pads out; empty if it adds none.
    netlist_command : str
        Yosys command that writes ``macaw.json`` after a board's script, where the script itself writes another file.
    nextpnr, packer : str
        Tools.
    pins : tuple of str
        Tells nextpnr where the pins are.
    no_pins : tuple of str
        Tells nextpnr that it may choose them.
    stand_ins : tuple of 2 str
        Where nextpnr may not: file name and text that say where clock, reset and data of a component out of context are.
    routed : tuple of str
        Tells nextpnr where to leave the result.
    targets_clock : bool
        Whether nextpnr must be told the clock because it does not follow one through the PLL.
    router : tuple of str
    pack : tuple of str
        Arguments of the packer; BITSTREAM stands for the file that it writes.
    suffix : str
        Of the bitstream.
    """

    synthesis: str
    synthesis_options: str = ""
    no_pads: str = ""
    netlist_command: str = ""
    nextpnr: str
    packer: str
    pins: tuple[str, ...]
    no_pins: tuple[str, ...]
    stand_ins: tuple[str, str] = ("", "")
    routed: tuple[str, ...]
    targets_clock: bool = False
    router: tuple[str, ...] = ()
    pack: tuple[str, ...]
    suffix: str


_ECP5 = Flow(
    synthesis="synth_ecp5", nextpnr="nextpnr-ecp5", packer="ecppack", pins=("--lpf", "macaw.lpf"),
    no_pins=("--lpf-allow-unconstrained",), routed=("--textcfg", "macaw.config"),
    # Router 1 can spend minutes on the last hundred arcs of a full array.
    router=("--router", "router2"),
    pack=("--compress", "--input", "macaw.config", "--bit", "BITSTREAM"), suffix="bit",
)  # fmt: skip
_ICE40 = Flow(
    synthesis="synth_ice40", nextpnr="nextpnr-ice40", packer="icepack", pins=("--pcf", "macaw.pcf"),
    no_pins=("--pcf-allow-unconstrained",), routed=("--asc", "macaw.asc"), pack=("macaw.asc", "BITSTREAM"), suffix="bin",
)  # fmt: skip


def flow_of(destination: Board | Device) -> Flow:
    """The flow of a board or device. Raises UserError for a board that only its vendor's tool builds for."""
    if isinstance(destination, Board) and destination.vendor:
        raise UserError(
            f"The {destination.title} is built by {destination.vendor}, not by open tools: `macaw build` writes a project for it, "
            "and --no-route leaves that out."
        )
    if destination.family is Family.ECP5:
        return _ECP5
    if destination.family in (Family.ICE40, Family.ICE40UP):
        return _ICE40
    if destination.family is Family.NEXUS:
        return _nexus(destination.part)
    assert destination.family is Family.GOWIN, destination.family
    chip = destination.nextpnr_arguments[-1].removeprefix("family=")
    return Flow(
        synthesis="synth_gowin", synthesis_options=f"-family {chip[:4].lower()}", no_pads="-noiopads",
        netlist_command="write_json macaw.json", nextpnr="nextpnr-himbaechel-gowin", packer="gowin_pack",
        pins=("--vopt", "cst=macaw.cst"), no_pins=("--vopt", "cst=macaw.cst"),
        stand_ins=("macaw.cst", _constraints('IO_LOC "{port}" {pin};', gowin_parts()[destination.part][1:])), routed=("--write", "macaw.pnr.json"), targets_clock=True,
        # The pins of the configuration flash are free for the design after configuration, as amaranth-boards has it.
        pack=("-d", chip, "--sspi_as_gpio", "--mspi_as_gpio", *_GOWIN_PINS.get(chip, ()), "-o", "BITSTREAM", "macaw.pnr.json"),
        suffix="fs",
    )  # fmt: skip


def _nexus(part: str) -> Flow:
    """There is no board with one: the packer is not called."""
    chip, _, rest = part.rpartition("-")
    pins = _NEXUS_STAND_INS[chip, rest[1:-1]]
    return Flow(
        synthesis="synth_nexus", synthesis_options=f"-family {chip.split('-')[0].lower()}", no_pads="-noiopad",
        nextpnr="nextpnr-nexus", packer="prjoxide", pins=("--pdc", "macaw.pdc"), no_pins=("--pdc", "macaw.pdc"),
        stand_ins=("macaw.pdc", _constraints("ldc_set_location -site {{{pin}}} [get_ports {port}]", pins)),
        routed=("--fasm", "macaw.fasm"), pack=("pack", "macaw.fasm", "BITSTREAM"), suffix="bit",
    )  # fmt: skip


def _constraints(line: str, pins: tuple[str, str, str]) -> str:
    return "".join(line.format(port=port, pin=pin) + "\n" for port, pin in zip(("clk", "rst", "serial"), pins, strict=True))


_NEXUS_STAND_INS = {
    ("LIFCL-17", "BG256"): ("F16", "G11", "F15"), ("LIFCL-17", "MG121"): ("F2", "E2", "D1"),
    ("LIFCL-17", "SG72"): ("59", "43", "56"), ("LIFCL-17", "UWG72"): ("B4", "E2", "A3"),
    ("LIFCL-40", "BG256"): ("F6", "K11", "J11"), ("LIFCL-40", "BG400"): ("J2", "W19", "V18"),
    ("LIFCL-40", "MG121"): ("F1", "E2", "C3"), ("LIFCL-40", "MG289"): ("H3", "L13", "L11"),
    ("LIFCL-40", "SG72"): ("59", "43", "56"),
    ("LFD2NX-40", "BG196"): ("D3", "F11", "G10"), ("LFD2NX-40", "BG256"): ("F6", "C4", "A4"),
    ("LFD2NX-40", "MG121"): ("F1", "E2", "D1"),
}  # fmt: skip
"""Clock, reset and data: pins of banks of 3.3 V, the first of which can carry a clock."""
_GOWIN_PINS = {"GW2A-18C": ("--ready_as_gpio", "--done_as_gpio")}
