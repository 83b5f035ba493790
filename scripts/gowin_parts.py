"""Makes the table of Gowin parts from the installed apycula: the chip and three free pins of each part that nextpnr accepts.

`python -m macaw.scripts.gowin_parts` writes `boards/gowin_parts.json` anew.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apycula
from apycula import chipdb

from ..boards.gowin_parts import GOWIN_PARTS_FILE
from .console import CONSOLE, run_command

__all__ = ["known_parts", "main", "stand_in_pins"]

_COMMAND = "python -m macaw.scripts.gowin_parts"
_SPEED = re.compile(r"C\d/I\d$")
"""nextpnr takes the parts of these speeds alone: no engineering samples, no automotive ones."""
_UNROUTABLE = ("GW5AST-138C",)
"""nextpnr 0.11 finds no way for a clock on these."""


def _chips() -> Iterator[str]:
    """Chips that nextpnr has a database of; a later revision comes after the earlier one and takes its parts over."""
    folder = Path(apycula.__file__).parent
    chips = (path.name.removesuffix(".msgpack.xz") for path in folder.glob("GW*.msgpack.xz"))
    yield from sorted(chip for chip in chips if chip not in _UNROUTABLE)


def stand_in_pins(pinout: Mapping[str, tuple[str, Sequence[str]]], clock_use: str) -> tuple[str, str, str]:
    """A pin for a clock and two for data of a package, those without another purpose first.

    ``pinout``: from each pin to its place and purposes; ``clock_use``: how a purpose begins that fits a clock.
    Raises ValueError if there are not three pins.
    """
    clock = min(pinout, key=lambda pin: (not any(use.startswith(clock_use) for use in pinout[pin][1]), len(pinout[pin][1])))
    rest = sorted((pin for pin in pinout if pin != clock), key=lambda pin: len(pinout[pin][1]))
    first, second, *_ = rest
    return clock, first, second


def known_parts() -> dict[str, tuple[str, tuple[str, str, str]]]:
    """Chip and pins by part number."""
    parts = {}
    for chip in _chips():
        database: Any = chipdb.load_chipdb(str(Path(apycula.__file__).parent / f"{chip}.msgpack.xz"))
        # Of a 5 series, nextpnr 0.11 leads the complementary pins alone over the clock's net.
        clock_use = "GCLKC" if chip.startswith("GW5") else "GCLKT"
        for part, (package, device, _) in database.packages.items():
            if _SPEED.search(part):
                parts[part] = chip, stand_in_pins(database.pinout[device][package], clock_use)
    return dict(sorted(parts.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="gowin_parts", description="Table of the Gowin parts that nextpnr knows.")
    parser.add_argument("--data", type=Path, default=GOWIN_PARTS_FILE, help="file that the table goes into")
    arguments = parser.parse_args(argv)

    def command() -> None:
        parts = known_parts()
        rows = (f" {json.dumps(part)}: {json.dumps([chip, *pins])}" for part, (chip, pins) in parts.items())
        arguments.data.write_text(f'{{"command": "{_COMMAND}", "parts": {{\n' + ",\n".join(rows) + "\n}}\n")
        CONSOLE.print(f"{len(parts)} parts in {arguments.data}")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
