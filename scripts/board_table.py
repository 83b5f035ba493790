"""The README's table of boards, written from the measured figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..boards.catalog import BOARDS
from ..boards.figures import BoardFigures
from .markdown_table import markdown_table
from .marked_section import write_section

__all__ = ["SECTION", "board_table", "memory_cell", "write_board_table"]

SECTION = "boards"
"""Name of the section."""

_COLUMNS = {
    "Board": False, "Network": False, "p x m x n": True, "Fmax (seeds)": True, "Clock": True, "LUT": True, "Registers": True,
    "Block RAM": True, "DSP": True, "Inferences/s": True, "Others, inferences/s": False,
}  # fmt: skip


def memory_cell(block_rams: int, single_port_rams: int) -> str:
    """How many of each a design takes."""
    return f"{block_rams}" + (f" and {single_port_rams} SPRAM" if single_port_rams else "")


def _cells(row: BoardFigures) -> list[str]:
    return [
        f"`{row.board}`",
        row.network,
        " x ".join(map(str, row.array)),
        f"{row.median_fmax_hz / 1e6:.1f} MHz ({len(row.fmax_hz)})",
        f"{row.clock_hz / 1e6:g} MHz" + ("" if row.median_fmax_hz >= row.clock_hz else ", missed"),
        f"{row.luts:,}",
        f"{row.registers:,}",
        memory_cell(row.block_rams, row.single_port_rams),
        f"{row.multipliers}",
        f"{row.inferences_per_second:,.0f}",
        ", ".join(f"{name} {rate:,.0f}" for name, rate in row.others.items()) or "–",
    ]


def board_table(figures: Mapping[str, BoardFigures]) -> str:
    """Markdown: a row for each measured board, in the catalog's order; a sentence names those that are not measured."""
    table = markdown_table(_COLUMNS, [_cells(figures[name]) for name in BOARDS if name in figures])
    missing = [name for name, board in BOARDS.items() if name not in figures and not board.vendor]
    return table + (f"\n\nNot measured: {', '.join(missing)}." if missing else "")


def write_board_table(page: Path, figures: Mapping[str, BoardFigures]) -> None:
    """Write the section of ``page`` anew. Raises UserError if the page or its marks are missing."""
    write_section(page, SECTION, board_table(figures))
