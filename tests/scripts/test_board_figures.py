"""The script that measures boards; place and route is played by what the toolchain's tests check for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.boards.catalog import BOARDS
from macaw.boards.figures import load_figures
from macaw.boards.resources import Resources
from macaw.hw.errors import CheckFailed
from macaw.scripts import board_figures
from macaw.scripts.board_table import board_table


class Tools:
    """Yosys and nextpnr; ``placed`` has the seeds that they were called with."""

    def __init__(self) -> None:
        self.placed: list[int] = []
        self.synthesized = 0
        self.broken = 0

    def synthesize(self, top: Any, board: Any, folder: Path, *, clock_hz: int, progress: Any) -> Any:
        for component in (top, top.design):
            component._MustUse__used = True
        assert board is BOARDS["icebreaker"] and clock_hz == 24_000_000 and folder.is_dir()
        self.synthesized += 1
        used = Resources(luts=5000, registers=3000, block_rams=20, multipliers=8, single_port_rams=4)
        return used, ["--something"], 1.0

    def place_and_route(
        self, folder: Path, board: Any, arguments: Any, *, seed: int, clock_hz: int, netlist: Resources, progress: Any
    ) -> Any:
        assert arguments == ["--something"]
        if seed == self.broken:
            raise CheckFailed("nextpnr failed")
        self.placed.append(seed)
        return {4: 26, 7: 19, 9: 27}[seed] * 10**6, netlist, 1.0


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tools:
    tools = Tools()
    monkeypatch.setattr(board_figures, "synthesize", tools.synthesize)
    monkeypatch.setattr(board_figures, "place_and_route", tools.place_and_route)
    monkeypatch.setattr(board_figures, "OTHERS", ("digits/digits_int8.onnx", "digits/digits_small_int8.onnx"))
    monkeypatch.chdir(tmp_path)
    return tools


def test_measures_every_seed(
    digits: Path, tools: Tools, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also seeds that come later or after a failure, which are placed beside those that are known; then the table."""
    data, page = tmp_path / "figures.json", tmp_path / "page.md"
    page.write_text("before\n<!-- boards -->\n<!-- /boards -->\nafter\n")
    words = [str(digits), "--board", "icebreaker", "--array", "1,2,2", "--data", str(data)]
    tools.broken = 9
    assert board_figures.main([*words, "--seeds", "4,9"]) == 1
    assert tools.placed == [4] and load_figures(data)["icebreaker"].fmax_hz == {"4": 26_000_000}
    tools.broken = 0
    assert board_figures.main([*words, "--seeds", "4,7,9", "--readme", str(page)]) == 0
    assert tools.placed == [4, 7, 9] and tools.synthesized == 2
    assert "icebreaker: median 26.0 MHz of 3" in capsys.readouterr().out
    (row,) = load_figures(data).values()
    assert row.fmax_hz == {"4": 26_000_000, "7": 19_000_000, "9": 27_000_000} and row.median_fmax_hz == 26_000_000
    assert (row.array, row.luts, row.single_port_rams) == ((1, 2, 2), 5000, 4)
    assert row.inferences_per_second == pytest.approx(24_000_000 / row.cycles, rel=1e-3)
    assert row.command.endswith("digits_int8.onnx --board icebreaker --array 1,2,2 --seeds 4,7,9")
    assert list(row.others) == ["digits_small_int8"] and row.others["digits_small_int8"] > 2 * row.inferences_per_second
    assert "| `icebreaker` | digits_int8 | 1 x 2 x 2 | 26.0 MHz (3) | 24 MHz | 5,000 |" in page.read_text()
    assert page.read_text().startswith("before") and page.read_text().endswith("after\n")
    assert board_figures.main([*words, "--seeds", "4,7,9"]) == 0
    assert tools.placed == [4, 7, 9] and load_figures(data)["icebreaker"] == row
    # Another array is another design.
    assert board_figures.main([*words, "--array", "1,2,1", "--seeds", "7"]) == 0
    assert load_figures(data)["icebreaker"].fmax_hz == {"7": 19_000_000}
    assert "1 x 2 x 1 | 19.0 MHz (1) | 24 MHz, missed |" in board_table(load_figures(data))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "page.md"]


def test_table_names_what_is_missing() -> None:
    table = board_table(dict(list(load_figures().items())[:1]))
    assert table.count("\n") == 4 and "Not measured: " in table and "icebreaker" in table and "arty" not in table


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--board", "icebreaker", "--seeds", "1,x"], "--seeds is a list of numbers, as in 1,2,3, not '1,x'."),
        (["--board", "none"], "There is no board 'none'."),
        (["--readme", "none.md"], "The section boards cannot be written: none.md"),
    ],
)
def test_refused(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert board_figures.main([*words, "--data", str(tmp_path / "figures.json")]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
