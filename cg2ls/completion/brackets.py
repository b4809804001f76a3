"""Brackets that a piece of code leaves open, and closers it opens nothing for."""

from __future__ import annotations

from dataclasses import dataclass

OPENERS = "([{"
CLOSERS = ")]}"
QUOTES = "\"'`"


@dataclass(frozen=True)
class Brackets:
    """What one piece of code leaves unbalanced.

    Attributes:
        open: offsets of openers that nothing closes.
        unopened: offsets of closers that nothing opened.
    """

    open: tuple[int, ...]
    unopened: tuple[int, ...]


def unbalanced(code: str) -> Brackets:
    """Scans code, stepping over strings that end on the line they begin on.

    A quote without a partner on its line is a character like others: an apostrophe, or half a string. The
    kinds of brackets are not told apart, since half-typed code mixes them up anyway.
    """
    open_at: list[int] = []
    unopened: list[int] = []
    position = 0
    while position < len(code):
        char = code[position]
        if char in QUOTES:
            position = _string_end(code, position)
        elif char in OPENERS:
            open_at.append(position)
        elif char in CLOSERS:
            if open_at:
                open_at.pop()
            else:
                unopened.append(position)
        position += 1
    return Brackets(tuple(open_at), tuple(unopened))


def _string_end(code: str, start: int) -> int:
    """Offset of the quote that ends the string at `start`; `start` itself if its line has none."""
    position = start + 1
    while position < len(code) and code[position] != "\n":
        if code[position] == "\\":
            position += 1
        elif code[position] == code[start]:
            return position
        position += 1
    return start
