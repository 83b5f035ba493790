"""Sites for the multipliers of a MAC array: a dot product's products side by side.

The array takes most multipliers of a device, which lie in a few rows across its whole width. nextpnr's placer scatters the
products of one dot product over a row, and the adders behind them cannot be near all of them. So the netlist that goes
to nextpnr carries a site for each product; everything else is placed around them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..hw.primitives.target import Family
from .board import Board
from .device import Device

__all__ = ["floorplan_multipliers", "multiplier_sites"]

_PRODUCT = re.compile(r"(?:^|\.)array\.dot_(\d+)_(\d+)\..*multiplier_(\d+)$")

_BLOCK = 4
"""Multipliers of a block: two slices that lie together."""

_ROWS = {"LFE5U-85F": (10, 34, 58)}
_COLUMNS = {"LFE5U-85F": (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)}
_OFFSETS = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))


def multiplier_sites(part: str) -> list[list[list[str]]]:
    """Names of a device's multiplier sites: rows of blocks of four. Empty for a device without an entry."""
    device = "-".join(part.split("-")[:2])
    return [
        [[f"X{column + offset}/Y{row}/{name}" for offset, name in _OFFSETS] for column in _COLUMNS[device]]
        for row in _ROWS.get(device, ())
    ]


def floorplan_multipliers(path: Path, board: Board | Device) -> int:
    """Write sites (attribute ``BEL``) into a netlist of Yosys' JSON; how many products got one.

    Dot products are laid out lane by lane along the rows, every second row backwards, each in blocks of its own. The
    placer finds sites for those that do not fit, and for all if the device has no entry.
    """
    rows = multiplier_sites(board.part) if board.family is Family.ECP5 else []
    netlist = json.loads(path.read_text())
    dots: dict[tuple[int, int], list[tuple[int, dict[str, object]]]] = {}
    for module in netlist["modules"].values():
        for name, cell in module.get("cells", {}).items():
            found = _PRODUCT.search(name)
            if cell["type"] == "MULT18X18D" and found:
                pixel, lane, product = map(int, found.groups())
                dots.setdefault((lane, pixel), []).append((product, cell))
    placed = 0
    free = [list(row) if number % 2 == 0 else list(reversed(row)) for number, row in enumerate(rows)]
    plan: list[tuple[dict[str, object], str]] = []
    for key in sorted(dots):
        products = [cell for _, cell in sorted(dots[key], key=lambda item: item[0])]
        blocks = -(-len(products) // _BLOCK)
        row = next((row for row in free if len(row) >= blocks), None)
        if row is None:
            continue
        sites = [site for block in row[:blocks] for site in block]
        del row[:blocks]
        plan += zip(products, sites, strict=False)
    for cell, site in plan:
        attributes = cell["attributes"]
        assert isinstance(attributes, dict)
        attributes["BEL"] = site
        placed += 1
    if placed:
        path.write_text(json.dumps(netlist))
    return placed
