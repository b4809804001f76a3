"""Whether to complete a line or a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cg2ls.completion.syntax.region import indentation

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.kind import Kind

Extent = Literal["line", "block"]
"""How far a completion may reach: to the end of the cursor's line, or over several lines."""

BRACKETS = ("(", "[", "{")
COLON_LANGUAGES = frozenset({"", "cython", "gdscript", "nim", "python", "starlark", "yaml"})
"""LSP ids of the languages in which a colon at a line's end begins a block; "" is an unknown language."""


def extent(cursor: Cursor, language: str, kind: Callable[[], Kind] = lambda: "code") -> Extent:
    """A block where the line is blank or has just opened one, and nothing follows the cursor; else a line.

    A block that has its lines already is not written again, and prose is written line by line.

    Args:
        cursor: the place to complete at.
        language: LSP id of the document's language, "" if unknown.
        kind: tells what the cursor stands in; asked only where that matters.
    """
    if cursor.line_after.strip():
        return "line"
    before = cursor.line_before.rstrip()
    if before and (not opens_block(before, language) or _has_body(cursor)):
        return "line"
    return "block" if kind() == "code" else "line"


def opens_block(line: str, language: str) -> bool:
    """Whether this line, which has no blanks at its end, ends with something that begins a block."""
    return line.endswith(BRACKETS) or (line.endswith(":") and language in COLON_LANGUAGES)


def _has_body(cursor: Cursor) -> bool:
    """Whether the line below is indented deeper than the cursor's."""
    below = cursor.following_line
    return bool(below) and indentation(below) > indentation(cursor.line_before)
