"""Whether to complete a line or a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cg2ls.completion.cursor import Cursor

Extent = Literal["line", "block"]
"""How far a completion may reach: to the end of the cursor's line, or over several lines."""

BRACKETS = ("(", "[", "{")
COLON_LANGUAGES = frozenset({"", "cython", "gdscript", "nim", "python", "starlark", "yaml"})
"""LSP ids of the languages in which a colon at a line's end begins a block; "" is an unknown language."""


def extent(cursor: Cursor, language: str) -> Extent:
    """A block where the line is blank or has just opened one and nothing follows the cursor; else a line.

    Args:
        cursor: the place to complete at.
        language: LSP id of the document's language, "" if unknown.
    """
    if cursor.line_after.strip():
        return "line"
    before = cursor.line_before.rstrip()
    return "block" if not before or opens_block(before, language) else "line"


def opens_block(line: str, language: str) -> bool:
    """Whether this line, which has no blanks at its end, ends with something that begins a block."""
    return line.endswith(BRACKETS) or (line.endswith(":") and language in COLON_LANGUAGES)
