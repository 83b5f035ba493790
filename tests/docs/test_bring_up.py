"""docs/bring-up.md: the messages that it explains are those of the code, and its checks those of the report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "bring-up.md").read_text()
SOURCE = "".join(
    path.read_text() for folder in ("boards", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))
)  # fmt: skip
JOINED = re.sub(r'"\s*\n\s*f?"', "", SOURCE).replace("{what}", "serial port")
"""With string literals that follow each other as one."""


def _rows(heading: str) -> list[list[str]]:
    section = PAGE.split(heading, 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


MESSAGES = [row[0] for row in _rows("## 6. Messages")]


@pytest.mark.parametrize("message", MESSAGES)
def test_message(message: str) -> None:
    """Its words stand in one message of the code, in this order, with something between them."""
    parts = [re.escape(part.strip(" ,")) for part in message.split("...") if part.strip(" ,")]
    assert re.search(r"[^\n]*?".join(parts), JOINED), message


def test_checks() -> None:
    named = {name for row in _rows("## 3. The run") for name in row[0].split(", ")}
    checks = set(re.findall(r'report\.check\(\s*"([a-zA-Z ]+)"', SOURCE)) - {"test cycles"}
    assert named == checks


def test_enough_messages() -> None:
    assert len(MESSAGES) > 15
