# amaranth: UnusedElaboratable=no

"""SDRAM on boards: which have one, its pins in the netlist's constraints, and what is refused."""

from __future__ import annotations

import re

import pytest

from macaw.boards.attachment import Attachment
from macaw.boards.catalog import find_board
from macaw.boards.harness import Harness
from macaw.boards.top import BoardTop
from macaw.hw.config import EngineConfig
from macaw.hw.errors import UserError

STREAMING = EngineConfig(p=1, m=2, n=2, streaming=True)


def test_pins() -> None:
    """Every pin of the memory has a place; data is sampled by 16 input cells, and the clock comes from an output cell."""
    board = find_board("ulx3s-12f")
    plan = board.platform().build(BoardTop(board, STREAMING), name="macaw", do_build=False, emit_src=False)
    places = re.findall(r'LOCATE COMP "sdram_0__(\w+?)(?:__io)?(?:\[\d+\])?(?:__io)?" SITE', plan.files["macaw.lpf"])
    counts = {name: places.count(name) for name in set(places)}
    assert sum(counts.values()) == 39, counts
    netlist = plan.files["macaw.il"]
    text = netlist if isinstance(netlist, str) else netlist.decode()
    assert text.count("cell \\IDDRX1F") == 16 and text.count("cell \\ODDRX1F") == 1
    assert text.count("cell \\OFS1P3DX") == 16 + 2 * 22 + 1  # data; commands and their drivers; the clock's driver


def test_a_board_without_sdram_is_refused() -> None:
    with pytest.raises(UserError, match="has no external memory that Macaw streams weights from: leave out --weights"):
        Attachment(weights="external").check(find_board("icebreaker"))
    Attachment(weights="external").check(find_board("ulx3s-85f"))
    with pytest.raises(UserError, match="streams its weights from an SDRAM, and there is none"):
        Harness(STREAMING, divisor=8, clock_hz=25_000_000)
