"""The part of a page between two marks, which a command writes."""

from __future__ import annotations

import os
from pathlib import Path

from ..hw.errors import UserError

__all__ = ["marks", "write_section"]


def marks(name: str) -> tuple[str, str]:
    """The comments around the section ``name``."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def write_section(page: Path, name: str, text: str) -> None:
    """Write the section of ``page`` anew, whole or not at all. Raises UserError if the page or its marks are missing."""
    begin, end = marks(name)
    try:
        old = page.read_text()
    except OSError as error:
        raise UserError(f"The section {name} cannot be written: {page}: {error.strerror}.") from error
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise UserError(f"{page} needs the marks {begin} and {end}, each once, where the section is to stand.")
    before, rest = old.split(begin)
    temporary = page.with_name(f".{page.name}")
    temporary.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")
    os.replace(temporary, page)
