"""The coverage command: which engines are chosen, what is excluded, and the page has what the data file says."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed, UserError
from macaw.scripts import coverage
from macaw.scripts.coverage import (
    EXCLUSIONS,
    FUNCTIONAL,
    PAGE,
    RESULTS,
    SECTION,
    TOGGLES,
    Exclusion,
    load_exclusions,
    main,
    page,
    section,
    summary,
)
from macaw.scripts.marked_section import marks
from macaw.sim.functional_coverage import POINTS
from macaw.sim.trial import random_trials

ROOT = Path(__file__).parents[2]
EVERY = [(point.name, name) for point in POINTS for name in point.bins]


def _run(**changes: object) -> dict[str, object]:
    hits = [list(hit) for hit in EVERY[:-1]]
    return {
        "kind": "bytes", "seed": 1, "networks": 2, "cycles": 10, "engine": "1 x 1 x 1", "hits": hits,
        "toggles": {"hw/a.py: x[0] 0->1": True, "hw/a.py: x[0] 1->0": False, "hw/b.py: y 0->1": False},
        "instances": {"hw/a.py": [3, 4], "hw/b.py": [0, 1]}, "lines": {"hw/a.py": [5, 6]},
    } | changes  # fmt: skip


def test_summary_and_exclusions() -> None:
    """Excluded is only what was not covered; instances are never excluded."""
    plain = summary([_run()], [])
    assert plain["totals"] == {
        "functional": [len(EVERY) - 1, len(EVERY)], "toggles": [1, 3], "instances": [3, 5], "lines": [5, 6], "excluded": [0, 0],
    }  # fmt: skip
    rules = [
        Exclusion(kind="functional", pattern=f"{EVERY[-1][0]}: *", reason="none"),
        Exclusion(kind="toggle", pattern="hw/a.py: x*", reason="never"),
    ]
    found = summary([_run(), _run(seed=2, toggles={"hw/b.py: y 0->1": True})], rules)
    assert found["totals"]["functional"] == [len(EVERY) - 1, len(EVERY) - 1]
    assert found["totals"]["toggles"] == [2, 2] and found["totals"]["excluded"] == [1, 1]
    assert found["totals"]["instances"] == [6, 10]
    assert found["points"][-1]["excluded"] == {EVERY[-1][1]: "none"}
    text = page(found)
    assert "Coverage of the core" in text and "hw/a.py" in text and "none" in text
    assert "4 networks on 2 engines, 20 cycles" in section(found)


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "coverage.toml").write_text("[[exclusion]]\nkind = 'line'\npattern = '*'\nreason = 'x'\n")
    with pytest.raises(UserError, match="needs a kind, functional or toggle, and a reason"):
        load_exclusions(tmp_path / "coverage.toml")
    (tmp_path / "coverage.toml").write_text("[[exclusion]]\npattern = '*'\n")
    with pytest.raises(UserError, match="is no list of exclusions"):
        load_exclusions(tmp_path / "coverage.toml")
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2 and "run it from the root of a checkout" in capsys.readouterr().err


def test_exclusions_exclude_something() -> None:
    """Each functional pattern fits a bin, and each has a reason of some words."""
    names = [f"{point}: {name}" for point, name in EVERY]
    for row in load_exclusions(ROOT / EXCLUSIONS):
        assert len(row.reason.split()) > 3
        assert row.kind == "toggle" or any(fnmatchcase(name, row.pattern) for name in names), row.pattern


def test_page_and_data_agree() -> None:
    """The section is that of the data file, whose points are today's."""
    found = json.loads((ROOT / RESULTS).read_text())
    begin, end = marks(SECTION)
    assert (ROOT / PAGE).read_text().split(begin)[1].split(end)[0].strip() == section(found).strip()
    assert [row["name"] for row in found["points"]] == [point.name for point in POINTS]
    assert [row["done"] + len(row["missing"]) + len(row["excluded"]) for row in found["points"]] == [
        len(point.bins) for point in POINTS
    ]


def test_goals_are_reached() -> None:
    """What the data file counts is what its points and blocks have, and enough."""
    found = json.loads((ROOT / RESULTS).read_text())
    totals = found["totals"]
    assert totals["functional"] == [sum(row["done"] for row in found["points"]), sum(row["total"] for row in found["points"])]
    assert totals["toggles"] == [sum(row["toggles"][k] for row in found["blocks"]) for k in (0, 1)]
    for name, goal in (("functional", FUNCTIONAL), ("toggles", TOGGLES)):
        done, total = totals[name]
        assert done >= goal * total, f"{name}: {done} of {total}"


@pytest.mark.slow
def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One small engine: less than the goals is covered, which the command says; a second run takes what is kept; a wrong network
    ends it."""
    config = EngineConfig(p=2, m=1, n=1, multiplier_width=34, shifts=(12, 20, 28, 36), prefetch=False)
    monkeypatch.setattr(coverage, "KINDS", {"bytes": lambda seed, networks: random_trials(seed, networks, config=config)})
    monkeypatch.setattr(coverage, "DIRECTED_ENGINES", {})
    monkeypatch.chdir(ROOT)
    words = ["--candidates", "1", "--networks", "2", "--work", str(tmp_path), "-o", str(tmp_path / "page.html")]
    assert main(words) == 1
    output = capsys.readouterr()
    assert "Less is covered than 95 % of the functional bins" in output.err and "port bits" in output.out
    kept = tmp_path / "bytes-1.json"
    run = json.loads(kept.read_text())
    assert sum(run["toggles"].values()) > 0.8 * len(run["toggles"])
    assert "hw/control/sequencer.py" in (tmp_path / "page.html").read_text()
    before = kept.stat().st_mtime_ns
    assert main(words) == 1 and kept.stat().st_mtime_ns == before
    kept.unlink()

    def wrong(core: object, trial: object) -> None:
        raise CheckFailed("it is wrong.")

    monkeypatch.setattr(coverage, "run_trial", wrong)
    assert main(words) == 1 and "Networks of bytes, seed 1: it is wrong." in capsys.readouterr().err
    assert not kept.exists()
