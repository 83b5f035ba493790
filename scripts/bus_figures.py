"""What a bus and an external memory cost: cells of the wrappers alone after synthesis. `python -m macaw.scripts.bus_figures --help`.

Writes docs/figures/buses.json and the table between the markers in docs/integration.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..boards.executable import find_tool
from ..boards.out_of_context import synthesize
from ..hw.bus.axi_lite import AxiLite
from ..hw.bus.axi_master import AxiMaster
from ..hw.bus.axi_stream import AxiStream
from ..hw.bus.wishbone import Wishbone
from ..hw.config import EngineConfig
from ..hw.external.sdram_controller import SdramController
from ..hw.external.sdram_timing import MT48LC16M16
from ..hw.external.weight_prefetcher import WeightPrefetcher
from ..hw.primitives.target import Family
from .console import CONSOLE, run_command
from .marked_section import write_section

__all__ = ["SECTION", "main", "table"]

SECTION = "buses"
"""Name of the section of the page."""

_OFFSET_BITS = 12
"""A window of 256 KiB, that of the digits' network on 4 x 8 x 4."""

_PLACES = {"input_first": 0, "input_words": 1, "output_first": 0, "output_words": 1}
_STREAMING = EngineConfig(p=4, m=8, n=4, streaming=True)
_WRAPPERS: dict[str, Callable[[], Any]] = {
    "AxiLite": partial(AxiLite, _OFFSET_BITS),
    "AxiMaster": AxiMaster,
    "AxiStream": partial(AxiStream, _OFFSET_BITS, **_PLACES),
    "SdramController, 75 MHz": partial(SdramController, MT48LC16M16.cycles(75_000_000), pin_delay=2),
    "WeightPrefetcher": partial(WeightPrefetcher, _STREAMING),
    "WeightPrefetcher, maps too": partial(WeightPrefetcher, replace(_STREAMING, spilling=True)),
    "Wishbone, classic": partial(Wishbone, _OFFSET_BITS),
    "Wishbone, pipelined": partial(Wishbone, _OFFSET_BITS, pipelined=True),
}
_FAMILIES = {Family.ECP5: "synth_ecp5", Family.ICE40: "synth_ice40"}


def _measure(make: Callable[[], Any], family: Family) -> dict[str, int]:
    used = synthesize(make(), family)
    return {"luts": used.luts, "registers": used.registers, "block_rams": used.block_rams}


def table(figures: Mapping[str, Any]) -> str:
    """Markdown of the measurements."""
    families = list(figures["wrappers"][0]["cells"])
    lines = [
        "| Wrapper | " + " | ".join(f"{name}: LUT4 | registers" for name in families) + " |",
        "|---|" + "---:|" * (2 * len(families)),
    ]
    for row in figures["wrappers"]:
        cells = " | ".join(f"{row['cells'][name]['luts']} | {row['cells'][name]['registers']}" for name in families)
        lines.append(f"| {row['title']} | {cells} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="bus_figures", description="Look-up tables and registers of the bus wrappers.")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of integration.md")
    arguments = parser.parse_args(argv)

    def command() -> None:
        rows = []
        for title, make in _WRAPPERS.items():
            cells = {script: _measure(make, family) for family, script in _FAMILIES.items()}
            rows.append({"title": title, "cells": cells})
            CONSOLE.print(f"{title}: {cells}")
        figures = {"offset_bits": _OFFSET_BITS, "versions": {"yosys": find_tool("yosys").version}, "wrappers": rows}
        (arguments.docs / "figures" / "buses.json").write_text(json.dumps(figures, indent=2) + "\n")
        write_section(arguments.docs / "integration.md", SECTION, table(figures))

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
