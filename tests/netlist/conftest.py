"""For the tests of netlists: the Verilog of a component's cells with their models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from macaw.boards.out_of_context import netlist_of
from macaw.hw.primitives.target import Family
from macaw.sim.harness.vendor_cells import cell_models

Form = Callable[[Any, str], str]


@pytest.fixture
def synthesized(tmp_path: Path) -> Callable[[Family], Form]:
    """Of a family what makes the Verilog of a component with a name: synthesis as for a board, and the cells' models."""

    def form_of(family: Family) -> Form:
        def form(component: Any, name: str) -> str:
            netlist = netlist_of(component, family, tmp_path / "synthesis", name=name)
            return cell_models(netlist, family) + netlist

        return form

    return form_of
