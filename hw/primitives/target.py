"""Which vendor cells a platform has."""

from __future__ import annotations

import enum
from typing import Any

__all__ = ["Family", "Target", "family_of"]


class Family(enum.Enum):
    """Device families. ECP5 and iCE40 have cells of their own; everything else takes the portable form."""

    GENERIC = "generic"
    ECP5 = "ecp5"
    ICE40 = "ice40"
    ICE40UP = "ice40up"
    GOWIN = "gowin"
    NEXUS = "nexus"
    XILINX = "xilinx"
    INTEL = "intel"


class Target:
    """Stands in for an Amaranth platform where only the choice of cells matters: out-of-context synthesis and emission.

    Parameters
    ----------
    family : Family
    """

    def __init__(self, family: Family) -> None:
        self.family = family.value

    def __repr__(self) -> str:
        return f"Target({Family(self.family)})"


def family_of(platform: Any) -> Family:
    """The family of an Amaranth platform, of a :class:`Target`, or ``GENERIC`` for None and every unknown platform."""
    device = str(getattr(platform, "device", "")).lower()
    if device.startswith("ice40"):
        return Family.ICE40UP if device.startswith("ice40up") else Family.ICE40
    if device.startswith(("lfe5", "lae5")):
        return Family.ECP5
    if device.startswith("xc7"):
        return Family.XILINX
    if device.startswith("5cse"):
        return Family.INTEL
    family = getattr(platform, "family", None)
    if isinstance(family, str) and family.startswith(("GW1N", "GW2A")):
        return Family.GOWIN
    known = {member.value: member for member in Family}
    return known.get(family, Family.GENERIC) if isinstance(family, str) else Family.GENERIC
