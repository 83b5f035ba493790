"""Carry chains without needless ends, in the netlist between Yosys and nextpnr.

Yosys connects the carry output of a chain's last cell to a net that nobody reads, and the carry input of its first cell
to 0; nextpnr spends two look-up tables on each to lead it to the logic. An end that does not matter is cut off here: on
an ECP5 that saves two tables an adder, and a quarter of a product in logic.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

__all__ = ["trim_carry_ends"]

_UNCONNECTED = "x"


def trim_carry_ends(path: Path) -> int:
    """Disconnect the ends of the CCU2C chains that do not matter in a netlist of Yosys' JSON; how many.

    A carry output does not matter if nothing reads it. A constant carry input does not matter if the cell's first table
    gives 0 for its constant inputs (then it does not pass the carry on) and nothing reads the first sum bit.
    """
    netlist = json.loads(path.read_text())
    trimmed = 0
    for module in netlist["modules"].values():
        readers: Counter[Any] = Counter()
        for port in module.get("ports", {}).values():
            if port["direction"] != "input":
                readers.update(port["bits"])
        cells = module.get("cells", {}).values()
        for cell in cells:
            for name, bits in cell["connections"].items():
                if cell["port_directions"].get(name) != "output":
                    readers.update(bits)
        for cell in cells:
            if cell["type"] != "CCU2C":
                continue
            connections = cell["connections"]
            if _is_net(connections, "COUT") and not readers[connections["COUT"][0]]:
                connections["COUT"] = [_UNCONNECTED]
                trimmed += 1
            first_read = _is_net(connections, "S0") and readers[connections["S0"][0]]
            if connections.get("CIN") in (["0"], ["1"]) and not first_read and _first_table_is_0(cell):
                connections["CIN"] = [_UNCONNECTED]
                trimmed += 1
    if trimmed:
        path.write_text(json.dumps(netlist))
    return trimmed


def _is_net(connections: dict[str, list[Any]], port: str) -> bool:
    return len(connections.get(port, [])) == 1 and not isinstance(connections[port][0], str)


def _first_table_is_0(cell: dict[str, Any]) -> bool:
    """Whether the first table gives 0 whatever its inputs that are no constants."""
    parameters = cell.get("parameters", {})
    if parameters.get("INJECT1_0") != "NO":
        return False
    table = int(str(parameters["INIT0"]), 2)
    possible = [0]
    for place, pin in enumerate("ABCD"):
        bit = cell["connections"].get(f"{pin}0", [_UNCONNECTED])[0]
        values = (int(bit),) if bit in ("0", "1") else (0, 1)
        possible = [index | value << place for index in possible for value in values]
    return not any(table >> index & 1 for index in possible)
