"""Planted bugs: does a test fail for each? `python -m macaw.scripts.mutants --help`.

`tests/mutants.toml` holds the bugs: a file, a text in it, what takes its place, and the tests that should fail. Each is planted
in a copy of the checkout, where only its own tests are run; the outcomes are kept, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..hw.errors import CheckFailed, UserError
from .console import CONSOLE, run_command, stages
from .marked_section import write_section

__all__ = ["SECTION", "Mutant", "Outcome", "load_mutants", "load_results", "main", "plant", "run_mutants", "section"]

MUTANTS = Path("tests", "mutants.toml")
RESULTS = Path("docs", "figures", "mutants.json")
PAGE = Path("docs", "verification.md")
SECTION = "mutants"
"""Name of the section of the page."""

_COPIED = ("boards", "compiler", "examples", "export", "hw", "scripts", "sim", "tests", "docs")
_TEST_SECONDS = 300
"""A test that takes longer fails. That counts if it does not take so long without the bug."""
_SECONDS = 2400
"""After this time a mutant's tests are given up, without a result."""

_NONE_CHOSEN = 5
"""pytest's exit code if no test was chosen."""

_NO_MUTANT = re.compile(
    r"\b(NameError|SyntaxError|ImportError|ModuleNotFoundError|IndentationError|UnboundLocalError|IndexError|TypeError|AttributeError)\b"
)
"""A text that Python refuses is no bug in the hardware."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A planted bug.

    Attributes
    ----------
    name : str
    file : str
        Path in the checkout.
    kind : str
        As "off by one".
    find, replace : str
        The text, exactly once in the file, and what takes its place.
    tests : tuple of str
        Test files or test names, those first that take the least time.
    equivalent : str
        Why no test can fail; empty if one must.
    """

    name: str
    file: str
    kind: str
    find: str
    replace: str
    tests: tuple[str, ...]
    equivalent: str = ""

    @property
    def block(self) -> str:
        """The block that the bug is in: the file's name."""
        return Path(self.file).stem


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a mutant: the test that failed (empty: none did) and why; ``key`` names text and tests that it is true of."""

    key: str
    killed_by: str
    reason: str
    seconds: float

    @property
    def conclusive(self) -> bool:
        """Whether tests of the bug failed, or all of them passed."""
        return bool(self.killed_by) or not self.reason


def load_mutants(path: Path) -> list[Mutant]:
    """The mutants of a file. Raises UserError if it is not there, or has a mistake."""
    try:
        rows = tomllib.loads(path.read_text())["mutant"]
        mutants = [Mutant(**(row | {"tests": tuple(row["tests"])})) for row in rows]
    except FileNotFoundError as error:
        raise UserError(f"There is no {path} here: run it from the root of a checkout.") from error
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} is no list of mutants: {error}.") from error
    names = [mutant.name for mutant in mutants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{path} has several mutants called {', '.join(twice)}.")
    return mutants


def plant(mutant: Mutant, root: Path) -> str:
    """The file's text with the bug in it. Raises UserError unless the text is there exactly once."""
    text = (root / mutant.file).read_text()
    count = text.count(mutant.find)
    if count != 1:
        raise UserError(
            f"The text of mutant {mutant.name} is {count} times in {mutant.file}, which must be once: adapt {MUTANTS}."
        )
    return text.replace(mutant.find, mutant.replace)


class _Copy:
    """A checkout's copy, in which one mutant after the other is planted."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder / "macaw"
        self.folder.mkdir(parents=True)
        for name in _COPIED:
            if (root / name).is_dir():
                shutil.copytree(root / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (*root.glob("*.py"), *root.glob("*.toml"), *root.glob("*.md"), root / "py.typed"):
            if path.is_file():
                shutil.copyfile(path, self.folder / path.name)
        self._sound: set[str] = set()  # tests that pass without a bug
        self._process: subprocess.Popen[str] | None = None
        self.environment = dict(os.environ) | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        where = self._python("-c", "import macaw; print(macaw.__file__)", seconds=60)[1].strip()
        if Path(where) != self.folder / "__init__.py":
            raise CheckFailed(f"Tests of the copy would test {where}: the copy is not found first.")

    def _python(self, *words: str, seconds: float) -> tuple[int | None, str]:
        """Exit code (None after ``seconds``) and output; everything that was started is ended."""
        self._process = process = subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            self.end()
            process.wait()

    def end(self) -> None:
        """End what runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def run(self, mutant: Mutant) -> Outcome:
        """Plant the mutant, run its tests until one fails, take it out again."""
        started = time.monotonic()
        path = self.folder / mutant.file
        original = path.read_text()
        path.write_text(plant(mutant, self.folder))
        try:
            code, output = self._test(mutant.tests)
        finally:
            path.write_text(original)
        seconds = round(time.monotonic() - started, 1)
        key = _key(mutant, self.root)
        if code is None:
            return Outcome(key=key, killed_by="", reason=f"no end after {_SECONDS} s", seconds=seconds)
        if code == 0:
            return Outcome(key=key, killed_by="", reason="", seconds=seconds)
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        reasons = [line.partition("; see ")[0] for line in re.findall(r"^E +(.*)", output, re.MULTILINE)]
        if code != 1 or failed is None or any(_NO_MUTANT.search(reason) for reason in reasons):
            reason = f"no test was reached: {(reasons or [output[-300:]])[0]}"
            return Outcome(key=key, killed_by="", reason=reason[:400], seconds=seconds)
        if failed[1] not in self._sound:
            if self._test([failed[1]])[0] != 0:
                return Outcome(key=key, killed_by="", reason=f"{failed[1]} fails without the bug, too", seconds=seconds)
            self._sound.add(failed[1])
        return Outcome(key=key, killed_by=failed[1], reason=(reasons or [""])[0][:160], seconds=seconds)

    def _test(self, tests: Sequence[str]) -> tuple[int | None, str]:
        """Exit code and output of pytest with these tests, up to the first that fails; those first that compile nothing."""
        code: int | None = 0
        output = ""
        for chosen in ("icarus", "not icarus"):
            try:
                code, output = self._python(
                    "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow", "-k", chosen, "--tb=short",
                    f"--timeout={_TEST_SECONDS}", f"--basetemp={self.folder.parent / 'tmp'}", *tests, seconds=_SECONDS,
                )  # fmt: skip
            finally:
                shutil.rmtree(self.folder.parent / "tmp", ignore_errors=True)
            code = 0 if code == _NONE_CHOSEN else code
            if code != 0:
                break
        return code, output


def _key(mutant: Mutant, root: Path) -> str:
    """Of the bug's text and its tests' names: an outcome counts as long as both are the same."""
    parts = (plant(mutant, root), *mutant.tests)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def run_mutants(
    mutants: Sequence[Mutant], root: Path, *, jobs: int = 1, done: Callable[[Mutant, Outcome], None]
) -> None:
    """Run the mutants, ``jobs`` at a time; ``done`` gets each outcome. Raises CheckFailed for one that is none."""
    lock = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: queue.SimpleQueue[_Copy] = queue.SimpleQueue()
        every = [_Copy(root, Path(folder) / str(number)) for number in range(min(jobs, len(mutants)))]
        for copy in every:
            copies.put(copy)

        stopped = threading.Event()

        def one(mutant: Mutant) -> None:
            copy = copies.get()
            try:
                outcome = copy.run(mutant)
            finally:
                copies.put(copy)
            with lock:
                if not stopped.is_set():
                    done(mutant, outcome)

        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(one, mutant) for mutant in mutants]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                for copy in every:
                    copy.end()
                raise


def load_results(path: Path) -> dict[str, Outcome]:
    """Outcomes by the mutant's name; none without the file."""
    try:
        rows = json.loads(path.read_text())
        return {name: Outcome(**row) for name, row in rows.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} has no outcomes of mutants; remove it.") from error


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text)
    os.replace(temporary, path)


def section(mutants: Iterable[Mutant], results: Mapping[str, Outcome]) -> str:
    """The table of docs/verification.md."""
    rows, killed, explained, survived, missing = [], 0, 0, 0, 0
    for mutant in mutants:
        outcome = results.get(mutant.name)
        killed += outcome is not None and bool(outcome.killed_by)
        if outcome is None:
            verdict, missing = "not run", missing + 1
        elif not outcome.conclusive:
            verdict, missing = "not run", missing + 1
        elif outcome.killed_by:
            verdict = f"`{outcome.killed_by.replace('|', ' ')}`"
        elif mutant.equivalent:
            verdict, explained = f"no difference: {mutant.equivalent}", explained + 1
        else:
            verdict, survived = "**survived**", survived + 1
        rows.append(f"| {mutant.block} | {mutant.name} | {mutant.kind} | {verdict} |")
    total = f"{len(rows)} bugs: {killed} found, {explained} without effect, {survived} survived, {missing} not run."
    head = ["| Block | Bug | Kind | Found by |", "|---|---|---|---|"]
    return "\n".join([total, "", *head, *rows])


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="mutants", description="Plants bugs in the hardware and runs the tests that should fail.")
    parser.add_argument("--block", action="append", metavar="B", help="only bugs in this block; may be given again")
    parser.add_argument("--name", action="append", metavar="N", help="only this bug; may be given again")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="bugs tried at a time")
    parser.add_argument("--again", action="store_true", help="also those whose outcome is known")
    arguments = parser.parse_args(argv)
    root = Path.cwd()
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def command() -> None:
        every = load_mutants(root / MUTANTS)
        chosen = [
            mutant for mutant in every
            if (not arguments.block or mutant.block in arguments.block) and (not arguments.name or mutant.name in arguments.name)
        ]  # fmt: skip
        if not chosen:
            raise UserError(f"No bug is chosen; the blocks are {', '.join(sorted({mutant.block for mutant in every}))}.")
        results = {name: row for name, row in load_results(root / RESULTS).items() if name in {m.name for m in every}}
        known = {m.name for m in chosen if (row := results.get(m.name)) and row.key == _key(m, root) and row.conclusive}
        todo = [mutant for mutant in chosen if arguments.again or mutant.name not in known]
        ranks = {m.name: sum(n.block == m.block for n in todo[:index]) for index, m in enumerate(todo)}
        todo.sort(key=lambda mutant: ranks[mutant.name])  # the first bug of each block, then the second
        finished = 0

        def done(mutant: Mutant, outcome: Outcome) -> None:
            nonlocal finished
            finished += 1
            verdict = outcome.killed_by or ("no difference" if mutant.equivalent else "SURVIVED")
            verdict = verdict if outcome.conclusive else outcome.reason
            CONSOLE.print(f"{mutant.name}: {verdict} ({outcome.seconds:.0f} s)")
            progress("mutants", finished / len(todo), mutant.name)
            # Another run may have added to the file.
            merged = load_results(root / RESULTS) | {mutant.name: outcome}
            rows = {m.name: vars(merged[m.name]) for m in every if m.name in merged}
            _write(root / RESULTS, json.dumps(rows, indent=1) + "\n")
            results[mutant.name] = outcome

        with stages() as progress:
            progress("mutants", 0.0, f"{len(todo)} of {len(chosen)} to do")
            if todo:
                run_mutants(todo, root, jobs=arguments.jobs, done=done)
        write_section(root / PAGE, SECTION, section(every, load_results(root / RESULTS)))
        survived = [m.name for m in chosen if not m.equivalent and (row := results.get(m.name)) and not row.killed_by]
        if survived:
            raise CheckFailed(f"No test fails for {', '.join(survived)}.")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
