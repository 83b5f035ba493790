"""Tests of macaw.boards.multiplier_floorplan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from macaw.boards.icebreaker import ICEBREAKER
from macaw.boards.multiplier_floorplan import floorplan_multipliers, multiplier_sites
from macaw.boards.ulx3s import ULX3S_85F


def _netlist(path: Path, p: int, m: int, n: int) -> Path:
    cells: dict[str, Any] = {"other": {"type": "LUT4", "attributes": {}}}
    for pixel in range(p):
        for lane in range(n):
            for product in range(m):
                name = f"design.engine.array.dot_{pixel}_{lane}.products.multiplier_{product}"
                cells[name] = {"type": "MULT18X18D", "attributes": {}}
    cells["design.engine.output.requantizer_0.product$1.multiplier_0_0"] = {"type": "MULT18X18D", "attributes": {}}
    path.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    return path


def _sites(path: Path) -> dict[str, str]:
    cells = json.loads(path.read_text())["modules"]["top"]["cells"]
    return {name: cell["attributes"]["BEL"] for name, cell in cells.items() if "BEL" in cell["attributes"]}


def test_sites_of_the_85f() -> None:
    sites = [site for row in multiplier_sites(ULX3S_85F.part) for block in row for site in block]
    assert len(sites) == len(set(sites)) == ULX3S_85F.capacity.multipliers


def test_products_of_a_dot_product_lie_together(tmp_path: Path) -> None:
    path = _netlist(tmp_path / "netlist.json", 4, 8, 4)
    assert floorplan_multipliers(path, ULX3S_85F) == 128
    sites = _sites(path)
    assert len(set(sites.values())) == 128
    assert not any("requantizer" in name for name in sites)
    for pixel in range(4):
        for lane in range(4):
            places = [site for name, site in sites.items() if f"dot_{pixel}_{lane}." in name]
            columns = [int(site.split("/")[0][1:]) for site in places]
            assert len({site.split("/")[1] for site in places}) == 1
            assert max(columns) - min(columns) <= 17


def test_the_placer_is_left_what_does_not_fit(tmp_path: Path) -> None:
    # Six products take two blocks of four; 13 blocks a row hold six dot products.
    path = _netlist(tmp_path / "netlist.json", 7, 6, 3)
    assert floorplan_multipliers(path, ULX3S_85F) == 3 * 6 * 6
    sites = _sites(path)
    assert len(set(sites.values())) == len(sites) == 3 * 6 * 6


def test_no_sites_for_other_devices(tmp_path: Path) -> None:
    path = _netlist(tmp_path / "netlist.json", 1, 4, 1)
    assert floorplan_multipliers(path, ICEBREAKER) == 0
    assert not _sites(path)
