"""Commands in the pages: what they run exists and takes the options that are named, and the examples' files are there."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from macaw.scripts import command

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(page for folder in (".", "docs", "examples/*") for page in ROOT.glob(f"{folder}/*.md") if page.name != "CHANGELOG.md")
COMMAND = re.compile(r"(?:^ {4}(?:\S+/)?|`)(macaw|python -m macaw\.[\w.]+)( [^`\n]*)?", re.MULTILINE)
SUBCOMMANDS = tuple(str(info.name) for info in command.app.registered_commands)


def commands(text: str) -> list[tuple[str, list[str]]]:
    """What is run and the words behind it, without remarks, what follows `&&`, and brackets around what may be left out."""
    found = []
    for run, rest in COMMAND.findall(text):
        words = shlex.split(re.split(r"\s#|&&", rest)[0])
        if run == "macaw" and words and words[0] in SUBCOMMANDS:
            run = f"macaw {words.pop(0)}"
        found.append((run, [word.strip("[]") for word in words]))
    return found


@pytest.fixture(scope="module")
def described() -> dict[str, str]:
    """What each command says of itself."""
    return {}


def _main(run: str) -> tuple[Callable[[list[str]], int], list[str]]:
    if run.startswith("macaw"):
        return command.main, run.split()[1:]
    return importlib.import_module(run.split()[-1]).main, []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands(page: Path, described: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for run, words in commands(page.read_text()):
        assert run != "macaw" or not words or words[0].startswith("-"), f"there is no `macaw {words[0]}`"
        if run not in described:
            capsys.readouterr()
            main, given = _main(run)
            code: object
            try:
                code = main([*given, "--help"])
            except SystemExit as ended:
                code = 0 if ended.code is None else ended.code
            assert code == 0, run
            described[run] = capsys.readouterr().out
        for word in words:
            option = re.match(r"-[-\w]+", word)
            assert not option or re.search(rf"(^|[\s,/\[]){option[0]}\b", described[run]), f"{run} {word}"
            assert not word.startswith("examples/") or list(ROOT.glob(word)), word


def test_what_is_found() -> None:
    text = "    .venv/bin/python -m macaw.scripts.regress --fast  # lint\nwith `macaw verify DIR [--limit N]`,\n    pip install '.' && macaw demo\n"
    assert commands(text) == [("python -m macaw.scripts.regress", ["--fast"]), ("macaw verify", ["DIR", "--limit", "N"])]
