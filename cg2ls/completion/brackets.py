"""Brackets that a piece of code leaves open, and closers it opens nothing for."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPENERS = "([{"
CLOSERS = ")]}"
QUOTES = "\"'`"

_STRING_OR_BRACKET = re.compile(r"""(["'`])(?:(?!\1)[^\\\n]|\\.)*\1|[()\[\]{}]""", re.DOTALL)


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
    for found in _STRING_OR_BRACKET.finditer(code):
        char = found.group()
        if char in OPENERS:
            open_at.append(found.start())
        elif char in CLOSERS:
            if open_at:
                open_at.pop()
            else:
                unopened.append(found.start())
    return Brackets(tuple(open_at), tuple(unopened))
