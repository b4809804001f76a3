"""Which part of a document the model reads.

The window's start and its suffix stay put while someone types: whatever moves them makes the engine read
text again that it has in its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Cursor

Encode = Callable[[str], list[int]]

STEP_LINES = 32
"""The window's start moves by this many lines, where lines are short enough for that."""

FINER_STEPS = (8, 1)
"""Steps for long lines, with which a start on the grid above would leave most of the window empty."""

FILL = 0.75
"""Share of the room that a newly chosen window takes, so that it need not move soon."""

LEAST = 0.375
"""A window that takes less of the room than this is chosen anew, or on a finer grid."""

SUFFIX_LINES = 64
"""Most lines of the suffix."""

CHARACTERS_PER_TOKEN = 8
"""More than any tokenizer averages over code; bounds what is tokenized at all."""


def suffix_text(cursor: Cursor, room: int) -> str:
    """Text behind the cursor, in whole lines; "" if only blanks follow.

    Args:
        cursor: the place to complete at.
        room: tokens there are for it.
    """
    start = cursor.suffix_start
    text = cursor.text[start : start + room * CHARACTERS_PER_TOKEN]
    cut = start + len(text) < len(cursor.text)
    lines = text.split("\n")
    if len(lines) > SUFFIX_LINES:
        text = "\n".join(lines[:SUFFIX_LINES]) + "\n"
    elif cut and len(lines) > 1:
        text = "\n".join(lines[:-1]) + "\n"
    return text if text.strip() else ""


def keeps_start(text: str, start: int, end: int, room: int) -> bool:
    """Whether a window that begins at `start` may still reach to `end` without counting its tokens."""
    return start <= end <= start + room * CHARACTERS_PER_TOKEN and (start == 0 or text[start - 1] == "\n")


def choose_start(text: str, end: int, room: int, encode: Encode) -> int:
    """Start of a window over the text that ends at `end`.

    The start is the earliest line on a grid of `STEP_LINES` with which the window takes `FILL` of the room.
    With lines too long for that grid a finer one is taken, and a line too long for the room is cut.

    Args:
        text: the whole document.
        end: the window's end, the start of a line or a place in one.
        room: tokens there are.
        encode: the tokenizer.

    Returns:
        An offset, 0 if the whole text before `end` fits.
    """
    target = int(room * FILL)
    starts = _line_starts(text, end, target, encode)
    if starts and starts[-1][0] == 0:
        return 0
    first_line = text.count("\n", 0, starts[0][0]) if starts else 0
    for step in (STEP_LINES, *FINER_STEPS):
        on_grid = [entry for back, entry in enumerate(starts) if (first_line - back) % step == 0]
        if on_grid and (on_grid[-1][1] >= room * LEAST or step == 1):
            return on_grid[-1][0]
    return max(0, end - target)


def _line_starts(text: str, end: int, most: int, encode: Encode) -> Sequence[tuple[int, int]]:
    """Line starts backwards from `end` with the tokens between them and `end`, up to `most` tokens."""
    found: list[tuple[int, int]] = []
    tokens, line_end = 0, end
    while line_end > 0 or not found:
        start = text.rfind("\n", 0, max(line_end - 1, 0)) + 1
        if line_end - start > most * CHARACTERS_PER_TOKEN:
            break
        tokens += len(encode(text[start:line_end]))
        if tokens > most:
            break
        found.append((start, tokens))
        line_end = start
    return found
