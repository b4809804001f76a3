"""Predict what the document looks like next: with the completion accepted, and with Enter after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger.extent import opens_block

if TYPE_CHECKING:
    from collections.abc import Iterator

INDENTATION_SEARCH_CHARS = 20_000
"""Characters of the document's beginning that are searched for tabs."""


def predict_cursors(cursor: Cursor, text: str, replace_length: int, language: str) -> Iterator[Cursor]:
    """Yield the cursor after the text is accepted, then after Enter if nothing follows on the line.

    Args:
        cursor: place where the text is shown.
        text: text that is shown.
        replace_length: number of characters after the cursor that it replaces.
        language: LSP id of the document's language.
    """
    before = cursor.text[: cursor.offset] + text
    accepted = Cursor(before + cursor.text[cursor.offset + replace_length :], len(before))
    yield accepted
    if not accepted.line_after.strip():
        enter = "\n" + _predict_indentation(accepted.line_before, accepted.text, language)
        before = accepted.text[: accepted.offset] + enter
        yield Cursor(before + accepted.text[accepted.line_end :], len(before))


def _predict_indentation(line: str, text: str, language: str) -> str:
    """Return the indentation that editors insert on the line after this one."""
    blanks = line[: len(line) - len(line.lstrip())]
    if not opens_block(line.rstrip(), language):
        return blanks
    uses_tabs = blanks.startswith("\t") or "\n\t" in text[:INDENTATION_SEARCH_CHARS]
    return blanks + ("\t" if uses_tabs else "    ")
