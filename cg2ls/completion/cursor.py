"""A document as seen from the place someone types at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

CLOSERS = re.compile(r"""[\s)\]}"'`,;:]*""")
"""What editors put right of the cursor by themselves, and the punctuation that ends a line behind it."""


@dataclass(frozen=True)
class Cursor:
    r"""A text and an offset in it. Line ends are `\n` only.

    Attributes:
        text: the whole document.
        offset: of the cursor, in code points.
    """

    text: str
    offset: int

    @classmethod
    def at(cls, text: str, offset: int) -> Cursor:
        r"""The cursor in a document with any line ends; `\r\n` and `\r` become the `\n` models know.

        Args:
            text: the document as the editor has it.
            offset: of the cursor in it, in code points. Between `\r` and `\n` counts as before both.
        """
        if "\r" not in text:
            return cls(text, offset)
        before, after = text[:offset], text[offset:]
        if before.endswith("\r") and after.startswith("\n"):
            before = before[:-1]
        before = before.replace("\r\n", "\n").replace("\r", "\n")
        return cls(before + after.replace("\r\n", "\n").replace("\r", "\n"), len(before))

    @cached_property
    def line_start(self) -> int:
        """Offset of the first character of the cursor's line."""
        return self.text.rfind("\n", 0, self.offset) + 1

    @cached_property
    def line_end(self) -> int:
        """Offset behind the last character of the cursor's line, its line end not counted."""
        end = self.text.find("\n", self.offset)
        return len(self.text) if end < 0 else end

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.text[self.line_start : self.offset]

    @property
    def line_after(self) -> str:
        """The cursor's line from the cursor on, without its line end."""
        return self.text[self.offset : self.line_end]

    @property
    def mid_line(self) -> bool:
        """Whether more than closers and blanks stands right of the cursor."""
        return CLOSERS.fullmatch(self.line_after) is None

    @cached_property
    def following_line(self) -> str:
        """The next line with anything on it; "" if there is none."""
        position = self.line_end + 1
        while position < len(self.text):
            end = self.text.find("\n", position)
            end = len(self.text) if end < 0 else end
            if line := self.text[position:end].rstrip():
                return line
            position = end + 1
        return ""

    @property
    def suffix_start(self) -> int:
        """Where the suffix begins: at the next line, or at the cursor if code follows on this one.

        Editors write closers right of the cursor and take them away again; a suffix that begins behind them
        stays the same, and so does the prompt.
        """
        return self.offset if self.mid_line else min(self.line_end + 1, len(self.text))
