"""Choose whether to complete a line or a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cg2ls.completion.syntax.region import measure_indentation

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.kind import Kind

Extent = Literal["line", "block"]
"""How far a completion may reach: to the end of the cursor's line, or over several lines."""

BRACKETS = ("(", "[", "{")
COLON_LANGUAGES = frozenset({"", "cython", "gdscript", "nim", "python", "starlark", "yaml"})
"""LSP ids of the languages in which a colon at the end of a line opens a block; "" is an unknown language."""


def choose_extent(cursor: Cursor, language: str, kind_of: Callable[[], Kind] = lambda: "code") -> Extent:
    """Choose a block if the line is blank or opens one and nothing follows the cursor; otherwise a line.

    A block that already has lines is not written again, and prose is completed line by line.

    Args:
        cursor: place to complete at.
        language: LSP id of the document's language, "" if unknown.
        kind_of: returns the kind of text at the cursor; called only if it matters.
    """
    if cursor.line_after.strip():
        return "line"
    before = cursor.line_before.rstrip()
    if before and (not opens_block(before, language) or _has_body(cursor)):
        return "line"
    return "block" if kind_of() == "code" else "line"


def opens_block(line: str, language: str) -> bool:
    """Return whether a line without trailing blanks ends with something that opens a block."""
    return line.endswith(BRACKETS) or (line.endswith(":") and language in COLON_LANGUAGES)


def _has_body(cursor: Cursor) -> bool:
    """Return whether the next line is indented deeper than the cursor's."""
    below = cursor.following_line
    return bool(below) and measure_indentation(below) > measure_indentation(cursor.line_before)
