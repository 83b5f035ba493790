"""The test plan: what is promised and which tests check it. `python -m macaw.scripts.testplan` writes the table of blocks.

`tests/testplan.toml` holds blocks and testpoints. The stages in the table follow from it and from the planted bugs.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..hw.errors import CheckFailed, UserError
from .console import CONSOLE, run_command
from .marked_section import write_section
from .mutants import MUTANTS, RESULTS, Mutant, Outcome, load_mutants, load_results

__all__ = ["PLAN", "SECTION", "Block", "Plan", "Testpoint", "load_plan", "main", "mistakes", "section", "verification_stage"]

PLAN = Path("tests", "testplan.toml")
PAGE = Path("docs", "verification.md")
SECTION = "blocks"
"""Name of the section of the page."""

_ELABORATED = "def elaborate"
_NO_BLOCK = ("hw/emitted_module.py",)
"""Stand-ins without hardware of their own."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A component: its file and its design stage, 1 to 3."""

    file: str
    design: int

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.file).stem


@dataclass(frozen=True, kw_only=True)
class Testpoint:
    """A promise.

    Attributes
    ----------
    name : str
    stage : int, 1..3
        Verification stage that needs it.
    stimulus, check : str
    tests : tuple of str
        Files of tests, perhaps with wildcards, or names of tests in them.
    blocks : tuple of str
        Blocks that it is about.
    """

    __test__ = False  # no test itself

    name: str
    stage: int
    stimulus: str
    check: str
    tests: tuple[str, ...]
    blocks: tuple[str, ...] = ()

    def files(self, root: Path) -> set[str]:
        """The files that its tests are in."""
        found = (path for test in self.tests for path in root.glob(test.partition("::")[0]))
        return {str(path.relative_to(root)) for path in found}


@dataclass(frozen=True)
class Plan:
    """All blocks and testpoints."""

    blocks: tuple[Block, ...]
    testpoints: tuple[Testpoint, ...]


def load_plan(path: Path) -> Plan:
    """The plan in a file. Raises UserError if it is not there, or no plan."""
    try:
        content = tomllib.loads(path.read_text())
        points = (
            Testpoint(**(row | {"tests": tuple(row["tests"]), "blocks": tuple(row.get("blocks", ()))}))
            for row in content["testpoint"]
        )
        return Plan(tuple(Block(**row) for row in content["block"]), tuple(points))
    except FileNotFoundError as error:
        raise UserError(f"There is no {path} here: run it from the root of a checkout.") from error
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} is no test plan: {error}.") from error


def mistakes(plan: Plan, root: Path) -> list[str]:
    """What is wrong between plan and checkout, a sentence each: promises without a test, tests that nobody promised."""
    found = []
    for names in ([point.name for point in plan.testpoints], [block.name for block in plan.blocks]):
        found += [f"{name} is in the plan several times." for name in sorted({name for name in names if names.count(name) > 1})]
    known = {block.name for block in plan.blocks}
    named: set[str] = set()
    for point in plan.testpoints:
        named |= point.files(root)
        if not point.tests:
            found.append(f"Testpoint {point.name} has no test.")
        for test in point.tests:
            file, _, name = test.partition("::")
            files = list(root.glob(file))
            if not files:
                found.append(f"Testpoint {point.name} names {file}, which does not exist.")
            elif name and not any(f"def {name.partition('[')[0]}(" in path.read_text() for path in files):
                found.append(f"Testpoint {point.name} names {test}, which does not exist.")
        found += [f"Testpoint {point.name} is about {block}, which is no block." for block in point.blocks if block not in known]
        if point.stage not in (1, 2, 3):
            found.append(f"Testpoint {point.name} has stage {point.stage}; there are 1, 2 and 3.")
    for path in sorted(root.glob("tests/**/test_*.py")):
        if str(path.relative_to(root)) not in named:
            found.append(f"No testpoint names {path.relative_to(root)}.")
    components = {str(path.relative_to(root)) for path in root.glob("hw/**/*.py") if _ELABORATED in path.read_text()}
    listed = {block.file for block in plan.blocks}
    found += [f"{file} is a block that the plan does not have." for file in sorted(components - listed - set(_NO_BLOCK))]
    found += [f"{file} is in the plan and no component." for file in sorted(listed - components)]
    promised = {block for point in plan.testpoints for block in point.blocks}
    found += [f"No testpoint is about {block.name}." for block in plan.blocks if block.name not in promised]
    tests = {path.stem for path in root.glob("tests/**/test_*.py")}
    benches = {path.stem for path in root.glob("sim/bench/*.py") if "@cocotb.test" in path.read_text()}
    texts = "".join(path.read_text() for path in root.glob("tests/**/*.py"))
    found += [f"No test runs the bench {name}." for name in sorted(benches) if f"test_{name}" not in tests and f'"{name}"' not in texts
              and f"bench.{name}" not in texts]  # fmt: skip
    return found


def verification_stage(
    block: Block, plan: Plan, bugs: Sequence[Mutant], outcomes: Mapping[str, Outcome]
) -> tuple[int, int, int]:
    """Verification stage, bugs that were planted and found, bugs that were run; see docs/verification.md."""
    own = [bug for bug in bugs if bug.file == block.file]
    run = [outcomes[bug.name] for bug in own if bug.name in outcomes and outcomes[bug.name].conclusive and not bug.equivalent]
    killed = sum(bool(outcome.killed_by) for outcome in run)
    stages = {point.stage for point in plan.testpoints if block.name in point.blocks}
    stage = 1 if 1 in stages else 0
    if stage == 1 and killed and killed == len(run):
        stage = 3 if 3 in stages else 2
    return stage, killed, len(run)


def section(plan: Plan, bugs: Sequence[Mutant], outcomes: Mapping[str, Outcome]) -> str:
    """The table of docs/verification.md."""
    rows = ["| Block | Design | Verification | Planted bugs found | Testpoints |", "|---|---|---|---:|---|"]
    for block in plan.blocks:
        stage, killed, run = verification_stage(block, plan, bugs, outcomes)
        points = ", ".join(point.name for point in plan.testpoints if block.name in point.blocks)
        rows.append(f"| `{block.file}` | D{block.design} | V{stage} | {killed} of {run} | {points} |")
    count = f"{len(plan.testpoints)} testpoints, {len(plan.blocks)} blocks."
    return "\n".join([count, "", *rows])


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="testplan", description="Compares the test plan with the checkout and writes its table.")
    parser.parse_args(argv)
    root = Path.cwd()

    def command() -> None:
        plan = load_plan(root / PLAN)
        found = mistakes(plan, root)
        write_section(root / PAGE, SECTION, section(plan, load_mutants(root / MUTANTS), load_results(root / RESULTS)))
        if found:
            raise CheckFailed("\n".join(found))
        CONSOLE.print(f"{len(plan.testpoints)} testpoints, {len(plan.blocks)} blocks: the plan is that of the tests.")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
