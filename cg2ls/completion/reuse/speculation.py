"""What the document may look like next: the completion accepted, and Enter after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger.extent import opens_block

if TYPE_CHECKING:
    from collections.abc import Iterator


def accepted_states(cursor: Cursor, text: str, replace_length: int, language: str) -> Iterator[Cursor]:
    """The cursor after accepting a text, then after Enter if that makes a new line at the line's end.

    Args:
        cursor: where the text is shown.
        text: what is shown.
        replace_length: characters right of the cursor that it takes the place of.
        language: LSP id of the document's language.
    """
    left = cursor.text[: cursor.offset] + text
    accepted = Cursor(left + cursor.text[cursor.offset + replace_length :], len(left))
    yield accepted
    if not accepted.line_after.strip():
        enter = "\n" + _indentation_below(accepted.line_before, accepted.text, language)
        left = accepted.text[: accepted.offset] + enter
        yield Cursor(left + accepted.text[accepted.line_end :], len(left))


def _indentation_below(line: str, text: str, language: str) -> str:
    """Blanks that editors begin the line below this one with."""
    blanks = line[: len(line) - len(line.lstrip())]
    if not opens_block(line.rstrip(), language):
        return blanks
    return blanks + ("\t" if blanks.startswith("\t") or "\n\t" in text[:20_000] else "    ")
