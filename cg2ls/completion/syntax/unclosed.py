"""Brackets that a piece of code leaves open, and closers it opens nothing for."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPENERS = "([{"
CLOSERS = ")]}"
QUOTES = "\"'`"

_MARK = re.compile(r"""\\[\\"'`\n]|["'`()\[\]{}\n]""")
"""What matters in code: an escaped quote, backslash or line end is one mark. No mark is longer than two characters,
so the time to find all of them is proportional to the code's length."""


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
    marks = [(found.start(), found.group()) for found in _MARK.finditer(code)]
    partners = _partners(marks)
    open_at: list[int] = []
    unopened: list[int] = []
    number = 0
    while number < len(marks):
        at, mark = marks[number]
        if mark in OPENERS:
            open_at.append(at)
        elif mark in CLOSERS:
            if open_at:
                open_at.pop()
            else:
                unopened.append(at)
        number = partners.get(number, number) + 1
    return Brackets(tuple(open_at), tuple(unopened))


def _partners(marks: list[tuple[int, str]]) -> dict[int, int]:
    """For the number of each quote's mark, the number of the next one of its kind on its line."""
    found: dict[int, int] = {}
    following: dict[str, int] = {}
    for number in range(len(marks) - 1, -1, -1):
        mark = marks[number][1]
        if mark == "\n":
            following.clear()
        elif mark in QUOTES:
            if mark in following:
                found[number] = following[mark]
            following[mark] = number
    return found


_PYTHON = re.compile(r"""\\.|\"{3}|'{3}|["'#\n]""", re.DOTALL)
_OTHERS = re.compile(r"""\\.|//|["'`\n]""", re.DOTALL)
"""What begins or ends strings and comments. No mark is longer than three characters, so the time to find all of them is
proportional to the code's length."""


@dataclass(frozen=True)
class OpenString:
    """A string that nothing ends.

    Attributes:
        offset: of its first quote.
        quote: what would end it.
    """

    offset: int
    quote: str

    @property
    def may_have_lines(self) -> bool:
        """Whether it may go on in the next line."""
        return len(self.quote) == 3 or self.quote == "`"


def open_string(code: str, language: str) -> OpenString | None:
    """The string that is open at the end of code; None if there is none.

    Args:
        code: that begins outside of strings and comments.
        language: LSP id of its language.
    """
    found: OpenString | None = None
    in_comment = False
    for mark in (_PYTHON if language == "python" else _OTHERS).finditer(code):
        text = mark.group()
        if text == "\n":
            in_comment = False
            found = found if found and found.may_have_lines else None
        elif in_comment or text.startswith("\\"):
            continue
        elif found:  # three quotes in a string of one quote end it and are an empty string besides
            found = None if text.startswith(found.quote) else found
        elif text in ("#", "//"):
            in_comment = True
        else:
            found = OpenString(mark.start(), text)
    return found
