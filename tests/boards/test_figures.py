"""Figures of the boards as data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from macaw.boards.catalog import BOARDS
from macaw.boards.figures import load_figures, store_figures
from macaw.hw.errors import UserError


def test_figures_that_come_with_macaw() -> None:
    """Each belongs to a board, fits its device, and has the command that made it."""
    figures = load_figures()
    assert {"ulx3s-85f", "icebreaker"} <= set(figures) <= set(BOARDS)
    for name, row in figures.items():
        capacity = BOARDS[name].capacity
        assert row.board == name and f"--board {name}" in row.command
        assert row.clock_hz == BOARDS[name].default_clock_hz or f"--clock {row.clock_hz / 1e6:g}" in row.command
        assert row.inferences_per_second == pytest.approx(row.clock_hz / row.cycles, rel=1e-4)
        for kind in ("luts", "registers", "block_rams", "multipliers", "single_port_rams"):
            assert 0 <= getattr(row, kind) <= getattr(capacity, kind)
        assert row.fmax_hz and all(int(seed) >= 0 and fmax > 1e6 for seed, fmax in row.fmax_hz.items())


def test_store(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert load_figures(path) == {}
    row = replace(load_figures()["icebreaker"], fmax_hz={"1": 30, "2": 10, "3": 20})
    assert row.median_fmax_hz == 20
    store_figures(row, BOARDS, path)
    other = load_figures()["ulx3s-85f"]
    store_figures(other, BOARDS, path)
    assert load_figures(path) == {"icebreaker": row, "ulx3s-85f": other}
    assert list(load_figures(path)) == ["ulx3s-85f", "icebreaker"]
    changed = replace(row, luts=1)
    store_figures(changed, BOARDS, path)
    assert load_figures(path)["icebreaker"] == changed
    assert [item.name for item in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"boards": [{"board": "icebreaker"}]}', '{"boards": [3]}'])
def test_damaged(text: str, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"figures in .*figures.json are damaged: delete it and measure again"):
        load_figures(path)
