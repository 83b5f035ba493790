"""docs/boards.md: its tables are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.boards.board import Board
from macaw.boards.catalog import BOARDS
from macaw.boards.device import PARTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "boards.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_board(board: Board) -> None:
    capacity = board.capacity
    (row,) = (row for row in ROWS if len(row) == 9 and row[1] == f"`{board.name}`")
    assert row[0] == board.title
    assert row[2:7] == [
        board.part, f"{capacity.luts:,}", f"{capacity.registers:,}", f"{capacity.memory_bytes // 1024} KiB",
        str(capacity.multipliers),
    ]  # fmt: skip
    assert row[7] == f"{board.input_hz / 1e6:g} MHz, {board.default_clock_hz / 1e6:g} MHz"
    for light, text in zip(board.leds, row[8].split(", "), strict=True):
        assert text == "–" if light is None else f"`{light[0]}` {light[1]}" in text
    (row,) = (row for row in ROWS if len(row) == 3 and row[0] == f"`{board.name}`")
    assert row[1:] == [f"{board.link}; {board.baud(board.clock_hz()) / 1e6:g} Mbaud", f"`{board.program}`"]


def test_links() -> None:
    """SPI pins and places in the flash."""
    spi = [row for row in ROWS if len(row) == 6 and row[0].startswith("`") and row[0] != "`--board`"]
    assert spi == [
        [f"`{board.name}`", board.spi.where, board.spi.cs, board.spi.sck, board.spi.copi, board.spi.cipo]
        for board in BOARDS.values()
        if board.spi
    ]
    flash = [row for row in ROWS if len(row) == 4 and row[0].startswith("`") and row[0] != "`--board`"]
    assert flash == [
        [
            f"`{board.name}`", f"{board.flash.address:#x}", f"{(board.flash.end - board.flash.address) // 1024:,} KiB",
            f"`{board.flash.write}`",
        ]
        for board in BOARDS.values()
        if board.flash
    ]  # fmt: skip


def test_nothing_else() -> None:
    assert {row[1] for row in ROWS if len(row) == 9 and row[1].startswith("`")} - {"`--board`"} == {f"`{name}`" for name in BOARDS}


def test_parts() -> None:
    series = [row for row in ROWS if len(row) == 3 and row[2].strip("`") in PARTS]
    assert {PARTS[row[2].strip("`")].family.value[:5] for row in series} == {"ecp5", "ice40", "nexus", "gowin"} and len(series) == 4
