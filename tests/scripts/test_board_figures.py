"""The script that measures boards; place and route is played by what the toolchain's tests check for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.boards.catalog import BOARDS
from macaw.boards.figures import load_figures
from macaw.boards.resources import Resources
from macaw.boards.toolchain import Implementation, TimingMissed
from macaw.scripts import board_figures


def test_measures_every_seed(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used = Resources(luts=5000, registers=3000, block_rams=20, multipliers=8, single_port_rams=4)

    def implement(top: Any, board: Any, folder: Path, *, seeds: Any, clock_hz: int, progress: Any) -> Implementation:
        (seed,) = seeds
        for component in (top, top.design):
            component._MustUse__used = True
        assert board is BOARDS["icebreaker"] and clock_hz == 20_250_000
        result = Implementation(
            board=board.name, seed=seed, clock_hz=clock_hz, fmax_hz={4: 22, 7: 19, 9: 25}[seed] * 10**6, netlist=used,
            resources=used, versions={"yosys": "0.70"}, seconds={}, bitstream=None,
        )  # fmt: skip
        if not result.timing_met:
            raise TimingMissed(result)
        return result

    monkeypatch.setattr(board_figures, "implement", implement)
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "figures.json"
    words = [str(digits), "--board", "icebreaker", "--array", "1,2,2", "--seeds", "4,7,9", "--data", str(data)]
    assert board_figures.main(words) == 0
    (row,) = load_figures(data).values()
    assert row.fmax_hz == {"4": 22_000_000, "7": 19_000_000, "9": 25_000_000} and row.median_fmax_hz == 22_000_000
    assert (row.array, row.luts, row.single_port_rams) == ((1, 2, 2), 5000, 4)
    assert row.inferences_per_second == pytest.approx(20_250_000 / row.cycles, rel=1e-3)
    assert row.command.endswith("digits_int8.onnx --board icebreaker --array 1,2,2 --seeds 4,7,9")
    assert "icebreaker: median 22.0 MHz of 3" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--board", "icebreaker", "--seeds", "1,x"], "--seeds is a list of numbers, as in 1,2,3, not '1,x'."),
        (["--board", "none"], "There is no board 'none'."),
    ],
)
def test_refused(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert board_figures.main([*words, "--data", str(tmp_path / "figures.json")]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
