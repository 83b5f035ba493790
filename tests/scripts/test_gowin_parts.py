"""The table of Gowin parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.boards.gowin_parts import GOWIN_PARTS_FILE
from macaw.scripts.gowin_parts import main, stand_in_pins


def test_the_table_is_that_of_the_installed_databases(tmp_path: Path) -> None:
    made = tmp_path / "parts.json"
    assert main(["--data", str(made)]) == 0
    assert made.read_text() == GOWIN_PARTS_FILE.read_text()


def test_stand_in_pins() -> None:
    pinout = {"1": ("a", ["TDI"]), "2": ("b", ["GCLKT_1", "MODE0"]), "3": ("c", ["GCLKT_2"]), "4": ("d", []), "5": ("e", ["D1"])}
    assert stand_in_pins(pinout, "GCLKT") == ("3", "4", "1")
    assert stand_in_pins(pinout, "GCLKC") == ("4", "1", "3")
    with pytest.raises(ValueError, match="unpack"):
        stand_in_pins({"1": ("a", []), "2": ("b", [])}, "GCLKT")
