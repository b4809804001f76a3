"""A document as seen from the place someone types at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

CLOSERS = re.compile(r"""[\s)\]}"'`,;:]*""")
"""What editors put right of the cursor by themselves, and the punctuation that ends a line behind it."""


_SURROGATE = re.compile("[\ud800-\udfff]")

MAX_LINE_CHARS = 4096
"""Characters of the cursor's line that count on each side of the cursor; the rest of a longer line is cut off."""

NEAR_CHARS = 4096
"""Characters above and below the cursor's line in which written lines are looked for."""


@dataclass(frozen=True)
class Cursor:
    r"""A text and an offset in it. Line ends are `\n` only.

    However long the line is, properties return at most `MAX_LINE_CHARS` of it before and after the cursor, so that
    no work at the cursor grows with it.

    Attributes:
        text: the whole document.
        offset: of the cursor, in code points.
    """

    text: str
    offset: int

    @classmethod
    def at(cls, text: str, offset: int) -> Cursor:
        r"""The cursor in a document with any line ends; `\r\n` and `\r` become the `\n` models know.

        Halves of a surrogate pair, which an editor may send and no encoding knows, become U+FFFD.

        Args:
            text: the document as the editor has it.
            offset: of the cursor in it, in code points. Between `\r` and `\n` counts as before both.
        """
        if not text.isascii():
            text = _SURROGATE.sub("\ufffd", text)
        if "\r" not in text:
            return cls(text, offset)
        before, after = text[:offset], text[offset:]
        if before.endswith("\r") and after.startswith("\n"):
            before = before[:-1]
        before = before.replace("\r\n", "\n").replace("\r", "\n")
        return cls(before + after.replace("\r\n", "\n").replace("\r", "\n"), len(before))

    @cached_property
    def line_start(self) -> int:
        """Offset of the first character of the cursor's line, or of the part of it that counts."""
        least = max(0, self.offset - MAX_LINE_CHARS)
        found = self.text.rfind("\n", least, self.offset)
        return least if found < 0 else found + 1

    @cached_property
    def line_end(self) -> int:
        """Offset after the last character of the cursor's line that counts, its line end not counted."""
        most = min(len(self.text), self.offset + MAX_LINE_CHARS)
        end = self.text.find("\n", self.offset, most)
        return most if end < 0 else end

    @property
    def is_cut_before(self) -> bool:
        """Whether the line goes on before the part that counts."""
        return self.line_start > 0 and self.text[self.line_start - 1] != "\n"

    @property
    def is_cut_after(self) -> bool:
        """Whether the line goes on after the part that counts."""
        return self.line_end < len(self.text) and self.text[self.line_end] != "\n"

    @property
    def is_cut(self) -> bool:
        """Whether a part of the line does not count."""
        return self.is_cut_before or self.is_cut_after

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.text[self.line_start : self.offset]

    @property
    def line_after(self) -> str:
        """The cursor's line from the cursor on, without its line end."""
        return self.text[self.offset : self.line_end]

    @cached_property
    def mid_line(self) -> bool:
        """Whether more than closers and blanks stands right of the cursor."""
        return self.is_cut_after or CLOSERS.fullmatch(self.line_after) is None

    @cached_property
    def following_line(self) -> str:
        """The next line with anything on it; "" if there is none near."""
        if self.is_cut_after:
            return ""
        start = self.line_end + 1
        below = self.text[start : start + NEAR_CHARS]
        written = below.lstrip()
        if not written:
            return ""
        begin = start + below.rfind("\n", 0, len(below) - len(written)) + 1
        end = self.text.find("\n", begin, begin + MAX_LINE_CHARS)
        return self.text[begin : begin + MAX_LINE_CHARS if end < 0 else end].rstrip()

    @cached_property
    def written_above(self) -> tuple[str, ...]:
        """The lines near above that have anything on them, without blanks at their ends; the last is the nearest."""
        if self.is_cut_before:
            return ()
        start = max(0, self.line_start - NEAR_CHARS)
        lines = self.text[start : self.line_start].split("\n")
        if start and self.text[start - 1] != "\n":
            del lines[0]
        return tuple(line.rstrip() for line in lines if line.strip())

    @property
    def suffix_start(self) -> int:
        """Where the suffix begins: at the next line, or at the cursor if code follows on this one.

        Editors write closers right of the cursor and take them away again; a suffix that begins behind them
        stays the same, and so does the prompt.
        """
        return self.offset if self.mid_line else min(self.line_end + 1, len(self.text))
