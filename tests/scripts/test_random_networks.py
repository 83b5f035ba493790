"""The command of random networks: what was tried is counted and kept, and the page has the table of the data file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.scripts import random_networks
from macaw.scripts.marked_section import marks
from macaw.scripts.random_networks import PAGE, RECORD, SECTION, NetworkFailure, Outcome, TrialFailure, main, section
from macaw.sim.trial import random_trials

ROOT = Path(__file__).parents[2]


def test_page_has_the_table() -> None:
    begin, end = marks(SECTION)
    rows = json.loads((ROOT / RECORD).read_text())
    assert (ROOT / PAGE).read_text().split(begin)[1].split(end)[0].strip() == section(rows).strip()


def test_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Engines of seed 5 and 6 are equal, the one of seed 7 fails in its second network and ends the run."""
    config = EngineConfig(p=1, m=1, n=1)
    trial = random_trials(1, 1, config=config)[0]

    def run(seed: int, folder: Path, *, networks: int, largest: int) -> Iterator[Outcome]:
        assert largest == 2
        for number in range(networks):
            if seed == 7 and number == 1:
                raise TrialFailure(trial, NetworkFailure("map", "it differs."))
            yield Outcome(engine=config, layers="", cycles=10 * seed, stalls=0, hits=frozenset({("a", str(seed))}))

    def fails(*_: object) -> NetworkFailure:
        return NetworkFailure("another", "it is another.")

    monkeypatch.setattr(random_networks, "run_engine", run)
    monkeypatch.setattr(random_networks.TrialRunner, "failure", fails)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    (tmp_path / PAGE).write_text("\n".join(marks(SECTION)))
    words = ["--engines", "2", "--networks", "3", "--largest", "2", "--record", "--seed"]
    assert main([*words, "5"]) == 0
    assert main([*words, "5"]) == 0  # once only
    assert main([*words, "7"]) == 1
    assert "--again failure-7.json" in capsys.readouterr().err
    assert json.loads((tmp_path / RECORD).read_text()) == [
        {"kind": "bytes", "largest": 2, "first": 5, "engines": 2, "networks": 6, "cycles": 330, "failed": 0, "hits": [["a", "5"], ["a", "6"]]},
        {"kind": "bytes", "largest": 2, "first": 7, "engines": 1, "networks": 2, "cycles": 70, "failed": 1, "hits": [["a", "7"]]},
    ]  # fmt: skip
    assert "8 networks on 3 engines" in (tmp_path / PAGE).read_text()
