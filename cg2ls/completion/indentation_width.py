"""Indentation as a number."""

from __future__ import annotations

TAB_WIDTH = 4
"""Columns a tab counts for when indentation is compared."""


def indentation(line: str) -> int:
    """Width of a line's leading blanks, in columns."""
    expanded = line.expandtabs(TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip())
