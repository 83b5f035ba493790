"""Cells of a netlist and of a placed design, in words that fit every family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ..hw.errors import CheckFailed
from ..hw.primitives.target import Family
from .board import Board
from .device import Device

__all__ = ["Resources", "check_fit"]


_GOWIN_BLOCK_RAMS = ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B")
_NEXUS_BLOCK_RAMS = ("DP16K", "PDP16K", "PDPSC16K", "SP16K")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Counts of cells.

    Attributes
    ----------
    luts : int
        4-input look-up tables, those in carry chains included. After placement also those that only lead to a register,
        where it has no other input: an iCE40's logic cells, a Gowin's tables.
    registers : int
    block_rams : int
        DP16KD, SB_RAM40_4K, BSRAM, EBR.
    multipliers : int
        MULT18X18D, SB_MAC16, MULT9X9, MULT18X18.
    single_port_rams : int
        SB_SPRAM256KA.
    """

    luts: int
    registers: int
    block_rams: int
    multipliers: int
    single_port_rams: int

    @classmethod
    def from_netlist(cls, cells: Mapping[str, int], family: Family) -> Resources:
        """From the counts of cells after synthesis."""
        if family is Family.ECP5:
            return cls(
                # A carry cell is two LUTs; a 16 x 4 RAM is four and two for its write port.
                luts=cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0) + 6 * cells.get("TRELLIS_DPR16X4", 0),
                registers=cells.get("TRELLIS_FF", 0),
                block_rams=cells.get("DP16KD", 0) + cells.get("PDPW16KD", 0),
                multipliers=cells.get("MULT18X18D", 0),
                single_port_rams=0,
            )
        if family is Family.NEXUS:
            nine, wide, widest = (cells.get(name, 0) for name in ("MULT9X9", "MULT18X36", "MULT36X36"))
            return cls(
                luts=cells.get("LUT4", 0) + 2 * cells.get("CCU2", 0) + 2 * cells.get("WIDEFN9", 0) + 6 * cells.get("DPR16X4", 0),
                registers=sum(count for name, count in cells.items() if name.startswith("FD1P3")),
                block_rams=sum(cells.get(name, 0) for name in _NEXUS_BLOCK_RAMS),
                multipliers=cells.get("MULT18X18", 0) + -(-nine // 2) + 2 * wide + 4 * widest,
                single_port_rams=0,
            )
        if family is Family.GOWIN:
            return cls(
                # An adder bit takes a LUT's place; a 16 x 4 RAM takes four.
                luts=sum(cells.get(name, 0) for name in ("LUT1", "LUT2", "LUT3", "LUT4", "ALU")) + 4 * cells.get("RAM16SDP4", 0),
                registers=sum(count for name, count in cells.items() if name.startswith("DFF")),
                block_rams=sum(cells.get(name, 0) for name in _GOWIN_BLOCK_RAMS),
                multipliers=cells.get("MULT9X9", 0) + 2 * cells.get("MULT18X18", 0) + 8 * cells.get("MULT36X36", 0),
                single_port_rams=0,
            )
        return cls(
            luts=cells.get("SB_LUT4", 0),
            registers=sum(count for name, count in cells.items() if name.startswith("SB_DFF")),
            block_rams=sum(count for name, count in cells.items() if name.startswith("SB_RAM40_4K")),
            multipliers=cells.get("SB_MAC16", 0),
            single_port_rams=cells.get("SB_SPRAM256KA", 0),
        )

    @classmethod
    def from_report(cls, utilization: Mapping[str, Mapping[str, int]], netlist: Resources) -> Resources:
        """From nextpnr's report; the registers of an iCE40, which it does not count, from the netlist."""

        def used(name: str) -> int:
            return int(utilization.get(name, {}).get("used", 0))

        if "TRELLIS_COMB" in utilization:
            return cls(
                luts=used("TRELLIS_COMB"), registers=used("TRELLIS_FF"), block_rams=used("DP16KD"),
                multipliers=used("MULT18X18D"), single_port_rams=0,
            )  # fmt: skip
        if "OXIDE_COMB" in utilization:
            return cls(
                luts=used("OXIDE_COMB"), registers=used("OXIDE_FF"), block_rams=used("OXIDE_EBR"),
                multipliers=-(-used("MULT9_CORE") // 2), single_port_rams=0,
            )  # fmt: skip
        if "BSRAM" in utilization:
            return cls(
                luts=used("LUT4") + used("ALU") + 4 * used("RAM16SDP4"), registers=used("DFF"), block_rams=used("BSRAM"),
                multipliers=used("MULT9X9") + 2 * used("MULT18X18") + 8 * used("MULT36X36"), single_port_rams=0,
            )  # fmt: skip
        return cls(
            luts=used("ICESTORM_LC"), registers=netlist.registers, block_rams=used("ICESTORM_RAM"),
            multipliers=used("ICESTORM_DSP"), single_port_rams=used("ICESTORM_SPRAM"),
        )  # fmt: skip

    def to_dict(self) -> dict[str, int]:
        """Plain values, for JSON."""
        return asdict(self)


def check_fit(resources: Resources, board: Board | Device) -> None:
    """Raise CheckFailed, with every resource that is short and what to do, if the design is larger than the device."""
    advice = {
        "luts": "fewer lanes (p, m or n)",
        "registers": "fewer lanes (p, m or n)",
        "block_rams": "a smaller feature or weight buffer",
        "multipliers": "fewer products (p * m * n)",
        "single_port_rams": "a smaller weight buffer",
    }
    titles = {
        "luts": "LUTs", "registers": "registers", "block_rams": "block RAMs", "multipliers": "multiplier cells",
        "single_port_rams": "single-port RAMs",
    }  # fmt: skip
    short = []
    for name, needed in resources.to_dict().items():
        available = getattr(board.capacity, name)
        if needed > available:
            short.append(f"{needed} of {available} {titles[name]} (choose {advice[name]})")
    if short:
        raise CheckFailed(f"The design does not fit the {board.title}: it needs {'; '.join(short)}.")
