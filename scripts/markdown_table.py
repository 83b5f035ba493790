"""A table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["markdown_table"]


def markdown_table(columns: Mapping[str, bool], rows: Sequence[Sequence[str]]) -> str:
    """``columns``: each heading, and whether figures stand below it, which end at the right."""
    marks = "|".join("---:" if figures else "---" for figures in columns.values())
    return "\n".join([f"| {' | '.join(columns)} |", f"|{marks}|", *(f"| {' | '.join(cells)} |" for cells in rows)])
