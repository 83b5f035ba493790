"""docs/architecture.md: its pipeline table and its folder arrows are those of the code; links in the pages lead somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.timing import PipelineTiming

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def test_pipeline() -> None:
    config = EngineConfig(p=4, m=8, n=4, accumulator_width=20, multiplier_width=24, shifts=(28, 29, 30, 33))
    timing = PipelineTiming(config)
    rows = re.findall(r"\(`(\w+)`\).*\| (\d+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 8
    assert {name: int(cycle) for name, cycle in rows} == {name: getattr(timing, name) for name, _ in rows}
    for p, m in ((1, 1), (3, 5), (8, 16)):
        other = PipelineTiming(EngineConfig(p=p, m=m, n=2, multiplier_latency=2))
        assert other.window == 7 + (p - 1).bit_length() and other.pool_word == 9 + (p - 1).bit_length()
        assert other.sums == other.window + 2 + (m - 1).bit_length()
        assert other.accumulators == other.sums + 1
        assert PipelineTiming(replace(other.config, adding=True)).accumulators == other.sums + 2


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]),
    ids=lambda path: path.name,
)
def test_what_a_page_names_exists(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / target).exists(), target
    for name in re.findall(r"`((?:hw|compiler|sim|boards|scripts|tests|docs|examples|\.ci)/[\w./*-]*)`", text):
        assert list(ROOT.glob(name.rstrip("/"))), name
