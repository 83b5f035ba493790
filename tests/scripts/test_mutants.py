"""Planted bugs: all of them can be planted, the tool tells a bug that is found from one that is not, and the page has its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.errors import UserError
from macaw.scripts.marked_section import marks
from macaw.scripts.mutants import (
    MUTANTS,
    PAGE,
    RESULTS,
    SECTION,
    Mutant,
    Outcome,
    load_mutants,
    load_results,
    main,
    plant,
    run_mutants,
    section,
)

ROOT = Path(__file__).parents[2]
BUGS = load_mutants(ROOT / MUTANTS)


def test_all_can_be_planted() -> None:
    """Each text is in its file exactly once, what takes its place is Python, and its tests exist."""
    assert len(BUGS) >= 60
    for bug in BUGS:
        text = plant(bug, ROOT)
        assert text != (ROOT / bug.file).read_text()
        compile(text, bug.file, "exec")
        assert bug.tests and all((ROOT / test.partition("::")[0]).is_file() for test in bug.tests), bug.name


def test_kinds() -> None:
    kinds = {bug.kind for bug in BUGS}
    assert kinds >= {
        "off by one", "wrong sign", "dropped tail mask", "swapped halves", "stuck valid", "missed stall", "rounding",
        "threshold direction", "wrong address", "stale state", "dropped check",
    }  # fmt: skip


def _bug(find: str, replace: str, tests: tuple[str, ...] = ("tests/hw/memory/test_map_layout.py",)) -> Mutant:
    return Mutant(
        name="planted", file="hw/memory/map_layout.py", kind="test", find=find, replace=replace, tests=tests
    )  # fmt: skip


FIND = "return self.phases * self.phase_words"


def _outcomes(*bugs: Mutant) -> list[Outcome]:
    found: list[Outcome] = []
    run_mutants(bugs, ROOT, done=lambda bug, outcome: found.append(outcome))
    return found


@pytest.mark.slow
def test_found_not_found_and_no_bug() -> None:
    """A wrong product is found; the same product the other way around is not; a name that does not exist is no bug."""
    killed, survived, none = _outcomes(
        _bug(FIND, "return self.phases * self.phase_words + 1"),
        _bug(FIND, "return self.phase_words * self.phases"),
        _bug(FIND, "return self.phases * no_such_name"),
    )
    assert killed.killed_by.startswith("tests/hw/memory/test_map_layout.py::") and killed.conclusive
    assert survived.killed_by == "" and survived.conclusive
    assert none.killed_by == "" and not none.conclusive and "no_such_name" in none.reason


@pytest.mark.slow
def test_hardware_bug_is_found() -> None:
    """One of the list, in simulation."""
    bug = next(bug for bug in BUGS if bug.name == "queue_writes_when_full")
    quick = Mutant(**(vars(bug) | {"tests": ("tests/hw/bus/test_byte_queue.py::test_bench[icarus-4]",)}))
    (outcome,) = _outcomes(quick)
    assert outcome.killed_by == quick.tests[0]


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="The text of mutant planted is 0 times in hw/memory/map_layout.py, which must be once"):
        plant(_bug("no such text", ""), ROOT)
    with pytest.raises(UserError, match="run it from the root of a checkout"):
        load_mutants(tmp_path / "mutants.toml")
    row = "[[mutant]]\nname = 'a'\nfile = 'f'\nkind = 'k'\nfind = 'x'\nreplace = 'y'\ntests = ['t']\n"
    for text, message in ((row + row, "several mutants called a"), ("[[mutant]]\nname = 'a'\n", "is no list of mutants")):
        (tmp_path / "mutants.toml").write_text(text)
        with pytest.raises(UserError, match=message):
            load_mutants(tmp_path / "mutants.toml")
    monkeypatch.chdir(ROOT)
    assert main(["--block", "no_such_block"]) == 2
    assert "the blocks are accumulation_buffer, adder_tree" in capsys.readouterr().err


def test_the_page_has_the_table() -> None:
    begin, end = marks(SECTION)
    text = (ROOT / PAGE).read_text().split(begin)[1].split(end)[0]
    assert text.strip() == section(BUGS, load_results(ROOT / RESULTS)).strip()


def test_every_bug_is_found() -> None:
    """All were tried; a test failed for each, but for those with the reason why none can."""
    results = load_results(ROOT / RESULTS)
    assert [bug.name for bug in BUGS if not bug.equivalent and not (bug.name in results and results[bug.name].conclusive)] == []
    found = {bug.name for bug in BUGS if bug.name in results and results[bug.name].killed_by}
    assert found == {bug.name for bug in BUGS if not bug.equivalent}
