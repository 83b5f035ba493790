"""Gowin's parts: the chip in each, and pins that stand in for those of a board."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import NamedTuple

__all__ = ["GOWIN_PARTS_FILE", "GowinPart", "gowin_parts"]

GOWIN_PARTS_FILE = Path(__file__).with_name("gowin_parts.json")
"""Made by the command in it from the databases of nextpnr's chips; numbers differ too much from series to series for a rule."""


class GowinPart(NamedTuple):
    """What nextpnr must be told of a part.

    Attributes
    ----------
    chip : str
        As in ``--vopt family=``; the later revision where a part number is that of two.
    clock, reset, serial : str
        Pins of the package that are free after configuration, for a component out of context; the first is a clock's.
    """

    chip: str
    clock: str
    reset: str
    serial: str


@functools.cache
def gowin_parts() -> dict[str, GowinPart]:
    """Every part by its number."""
    parts = json.loads(GOWIN_PARTS_FILE.read_text())["parts"]
    return {part: GowinPart(*row) for part, row in parts.items()}
