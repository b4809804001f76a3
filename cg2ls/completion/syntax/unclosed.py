"""Find brackets and strings that a piece of code leaves open."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPENERS = "([{"
CLOSERS = ")]}"
QUOTES = "\"'`"

_MARK = re.compile(r"""\\[\\"'`\n]|["'`()\[\]{}\n]""")
"""Characters that matter for brackets; an escaped quote, backslash or line end is one mark.

No mark is longer than two characters, so the search takes time proportional to the length of the code.
"""

_PYTHON_MARK = re.compile(r"""\\.|\"{3}|'{3}|["'#\n]""", re.DOTALL)
_OTHER_MARK = re.compile(r"""\\.|//|["'`\n]""", re.DOTALL)
"""Characters that begin or end strings and comments; no mark is longer than three characters."""


@dataclass(frozen=True)
class Brackets:
    """Unbalanced brackets of one piece of code.

    Attributes:
        open: offsets of openers that nothing closes.
        unopened: offsets of closers that nothing opens.
    """

    open: tuple[int, ...]
    unopened: tuple[int, ...]


def find_unbalanced(code: str) -> Brackets:
    """Find the unbalanced brackets of code, outside of strings that end on the line they begin on.

    A quote without a partner on its line is an ordinary character: an apostrophe, or half a string. All kinds of
    brackets count as equal, because incomplete code often mixes them up.
    """
    marks = [(found.start(), found.group()) for found in _MARK.finditer(code)]
    partners = _find_partners(marks)
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


def _find_partners(marks: list[tuple[int, str]]) -> dict[int, int]:
    """Map the number of each quote's mark to the number of the next quote of its kind on its line."""
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


@dataclass(frozen=True)
class OpenString:
    """A string without an end.

    Attributes:
        offset: offset of its first quote.
        quote: the quotes that would end it.
    """

    offset: int
    quote: str

    @property
    def may_have_lines(self) -> bool:
        """Whether it may continue on the next line."""
        return len(self.quote) == 3 or self.quote == "`"


def find_open_string(code: str, language: str) -> OpenString | None:
    """Return the string that is open at the end of code; None if there is none.

    Args:
        code: code that begins outside of strings and comments.
        language: LSP id of its language.
    """
    found: OpenString | None = None
    in_comment = False
    for match in (_PYTHON_MARK if language == "python" else _OTHER_MARK).finditer(code):
        mark = match.group()
        if mark == "\n":
            in_comment = False
            found = found if found and found.may_have_lines else None
        elif in_comment or mark.startswith("\\"):
            continue
        elif found:  # three quotes inside a string of one quote end it, and then are an empty string
            found = None if mark.startswith(found.quote) else found
        elif mark in ("#", "//"):
            in_comment = True
        else:
            found = OpenString(match.start(), mark)
    return found
