"""Strings that a piece of code leaves open."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
