"""Kinds of places: where in its line a cursor is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Cursor

PlaceKind = Literal["line_start", "word_start", "in_word", "after_open"]
"""After the indentation at most; at the start of a later word; inside a word; after a bracket or quote that opens."""

PLACE_KINDS: tuple[PlaceKind, ...] = ("line_start", "word_start", "in_word", "after_open")

OPENERS = "([{"
QUOTES = "\"'`"


def find_place_kind(cursor: Cursor) -> PlaceKind:
    """Return the kind of place that a cursor is at.

    A quote opens if its number on the line up to the cursor is odd.
    """
    before = cursor.line_before
    if not before.strip():
        return "line_start"
    last = before[-1]
    if last.isalnum() or last == "_":
        return "in_word"
    if last in OPENERS or (last in QUOTES and before.count(last) % 2):
        return "after_open"
    return "word_start"
