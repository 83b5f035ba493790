"""Only ends of carry chains that do not matter are cut off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from macaw.boards.carry_ends import trim_carry_ends

DIRECTIONS = {**{f"{pin}{place}": "input" for pin in "ABCD" for place in (0, 1)}, "CIN": "input"}
DIRECTIONS |= {"S0": "output", "S1": "output", "COUT": "output"}


def _netlist(
    reader_of: list[int], *, init: int, inputs: list[Any], carry_in: Any, inject: str = "NO"
) -> dict[str, Any]:
    """One carry cell with S0, S1 and COUT on nets 2, 3 and 4; nets in ``reader_of`` are read."""
    connections = {f"{pin}0": [value] for pin, value in zip("ABCD", inputs, strict=True)}
    connections |= {f"{pin}1": ["0"] for pin in "ABCD"}
    connections |= {"CIN": [carry_in], "S0": [2], "S1": [3], "COUT": [4]}
    cell = {
        "type": "CCU2C", "parameters": {"INIT0": f"{init:016b}", "INJECT1_0": inject}, "port_directions": DIRECTIONS,
        "connections": connections,
    }  # fmt: skip
    ports = {"o": {"direction": "output", "bits": reader_of}, "a": {"direction": "input", "bits": [5]}}
    return {"modules": {"top": {"ports": ports, "cells": {"carry": cell}}}}


@pytest.mark.parametrize(
    ("netlist", "cut"),
    [
        # The start of a chain of ours: the table gives 0 with C and D high.
        (_netlist([3, 4], init=0x000F, inputs=["0", "0", "1", "1"], carry_in="0"), {"CIN"}),
        (_netlist([3, 4], init=0x0000, inputs=[5, 5, 5, 5], carry_in="1"), {"CIN"}),
        (_netlist([3], init=0x000F, inputs=["0", "0", "1", "1"], carry_in="0"), {"CIN", "COUT"}),
        # The sum of the first table is read: it shows the carry input.
        (_netlist([2, 4], init=0x000F, inputs=["0", "0", "1", "1"], carry_in="0"), set()),
        # The table may give 1.
        (_netlist([3, 4], init=0x000F, inputs=["0", "0", 5, "1"], carry_in="0"), {"CIN"}),
        (_netlist([3, 4], init=0x000F, inputs=["0", "0", 5, 5], carry_in="0"), set()),
        (_netlist([3, 4], init=0x96AA, inputs=[5, "0", 5, "1"], carry_in="0"), set()),
        # The carry input is a net; injection changes what the table does.
        (_netlist([3, 4], init=0x0000, inputs=[5, 5, 5, 5], carry_in=5), set()),
        (_netlist([3, 4], init=0x0000, inputs=[5, 5, 5, 5], carry_in="0", inject="YES"), set()),
    ],
)
def test_trim(netlist: dict[str, Any], cut: set[str], tmp_path: Path) -> None:
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps(netlist))
    assert trim_carry_ends(path) == len(cut)
    before = netlist["modules"]["top"]["cells"]["carry"]["connections"]
    after = json.loads(path.read_text())["modules"]["top"]["cells"]["carry"]["connections"]
    assert {name for name in before if before[name] != after[name]} == cut
    assert all(after[name] == ["x"] for name in cut)
