"""Sections of pages that commands write."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.errors import UserError
from macaw.scripts.marked_section import marks, write_section


def test_section_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = marks("table")
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    write_section(page, "table", "new\nlines")
    assert page.read_text() == f"before\n{begin}\nnew\nlines\n{end}\nafter\n"
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("text", ["", "<!-- table -->", "<!-- /table --> <!-- table -->"])
def test_marks_are_missing(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(UserError, match="needs the marks <!-- table --> and <!-- /table -->"):
        write_section(page, "table", "new")
    assert page.read_text() == text


def test_page_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        write_section(tmp_path / "page.md", "table", "new")
