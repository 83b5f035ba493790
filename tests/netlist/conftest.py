"""For the tests of netlists: the Verilog of a component's cells with their models, and the tests that were written for RTL."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
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


@pytest.fixture
def tests_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A test file of this folder's parent, as ``hw/bus/test_crc32.py``, loaded afresh: what it calls can be replaced."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).parents[1] / name
        found = importlib.util.spec_from_file_location(f"netlist_{path.stem}", path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        monkeypatch.setitem(sys.modules, found.name, module)  # where dataclasses look for their names
        found.loader.exec_module(module)
        return module

    return load
