"""The test plan is that of the tests, and the comparison finds what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from macaw.scripts.marked_section import marks
from macaw.scripts.mutants import MUTANTS, RESULTS, load_mutants, load_results
from macaw.scripts.testplan import (
    PAGE,
    PLAN,
    SECTION,
    Block,
    Plan,
    Testpoint,
    load_plan,
    mistakes,
    section,
    verification_stage,
)

ROOT = Path(__file__).parents[1]
PROMISES = load_plan(ROOT / PLAN)


def test_every_promise_has_tests_and_every_test_a_promise() -> None:
    assert mistakes(PROMISES, ROOT) == []


def test_what_is_missing_is_found() -> None:
    first, *others = PROMISES.testpoints
    block, *blocks = PROMISES.blocks

    def found(*points: Testpoint, parts: tuple[Block, ...] = PROMISES.blocks) -> str:
        return "\n".join(mistakes(Plan(parts, points), ROOT))

    assert f"No testpoint names {first.tests[0]}." in found(*others)
    assert "names tests/hw/test_absent.py, which does not exist" in found(replace(first, tests=("tests/hw/test_absent.py",)), *others)
    assert "::test_no_such_thing, which does not exist" in found(
        replace(first, tests=(*first.tests, f"{first.tests[0]}::test_no_such_thing")), *others
    )
    assert f"Testpoint {first.name} has no test." in found(replace(first, tests=()), *others)
    assert "is about no_block, which is no block" in found(replace(first, blocks=("no_block",)), *others)
    assert f"{block.file} is a block that the plan does not have." in found(first, *others, parts=tuple(blocks))
    assert f"{first.name} is in the plan several times." in found(first, first, *others)
    assert "has stage 4" in found(replace(first, stage=4), *others)


def test_the_page_has_the_table() -> None:
    begin, end = marks(SECTION)
    text = (ROOT / PAGE).read_text().split(begin)[1].split(end)[0]
    bugs, outcomes = load_mutants(ROOT / MUTANTS), load_results(ROOT / RESULTS)
    assert text.strip() == section(PROMISES, bugs, outcomes).strip()


def test_stages() -> None:
    """A bug that survives, or none that was tried, keeps a block at V1."""
    bugs, outcomes = load_mutants(ROOT / MUTANTS), load_results(ROOT / RESULTS)
    queue = next(block for block in PROMISES.blocks if block.name == "byte_queue")
    ran = {bug.name: replace(next(iter(outcomes.values())), killed_by="a test") for bug in bugs}
    assert verification_stage(queue, PROMISES, bugs, ran)[0] == 3
    assert verification_stage(queue, PROMISES, bugs, {})[0] == 1
    name = next(bug.name for bug in bugs if bug.file == queue.file)
    survived = ran | {name: replace(ran[name], killed_by="", reason="")}
    assert verification_stage(queue, PROMISES, bugs, survived)[0] == 1
    assert verification_stage(Block(file="hw/none.py", design=1), PROMISES, bugs, ran) == (0, 0, 0)
