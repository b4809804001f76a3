"""The trimming rules in their order, for a line and for a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion import trim
from cg2ls.completion.closers import reconcile
from cg2ls.completion.loops import cut_loops

if TYPE_CHECKING:
    from cg2ls.completion.cursor import Cursor
    from cg2ls.completion.mode import Extent
    from cg2ls.completion.types import Trigger

BLANK_LINES = {"automatic": 0, "invoked": 1}
"""Blank lines in a row that may stand inside a block, by who asked for it."""

BALANCE_CHARACTERS = 2000
"""How far back before the cursor open brackets are looked for."""


@dataclass(frozen=True)
class Shaped:
    """What is left to show.

    Attributes:
        text: to insert at the cursor; empty for nothing.
        covers: characters right of the cursor that it takes the place of.
    """

    text: str
    covers: int = 0


@dataclass(frozen=True, kw_only=True)
class Shaper:
    """Cuts answers for one cursor.

    Attributes:
        cursor: where the text is to be inserted.
        extent: whether it may have several lines.
        trigger: who asked.
        max_lines: most lines; None for no bound.
    """

    cursor: Cursor
    extent: Extent
    trigger: Trigger
    max_lines: int | None = None

    def is_complete(self, text: str) -> bool:
        """Whether more text could not change what is shown, so that generating can end.

        Args:
            text: the answer so far.
        """
        return (self.extent == "line" and "\n" in text) or self._bounded(text, ended=False) != text

    def shape(self, text: str, *, ended: bool) -> Shaped:
        """What to show of an answer.

        Args:
            text: the answer.
            ended: whether the model ended it, or `is_complete` did; False where it ran out of tokens.
        """
        bounded = self._bounded(text, ended=ended)
        if self.extent == "block" and not ended and bounded == text:
            bounded = trim.drop_unfinished_line(bounded)
        return self._line(bounded) if self.extent == "line" else self._block(bounded)

    def _bounded(self, text: str, *, ended: bool) -> str:
        """Rules that find the answer's end from its beginning."""
        text = cut_loops(trim.cut_at_mark(text))
        cursor = self.cursor
        if self.extent == "line":
            return self._line_bounded(text, ended=ended)
        text = trim.first_lines(text, self.max_lines)
        text = trim.cut_at_dedent(text, cursor.line_before)
        text = trim.cut_at_blank_lines(text, BLANK_LINES[self.trigger])
        return trim.cut_at_repeated_line(text, cursor.line_before, cursor.following_line, ended=ended)

    def _line_bounded(self, text: str, *, ended: bool) -> str:
        if not self.cursor.mid_line:
            return text
        return trim.cut_at_rest_of_line(text, self.cursor.line_after, ended=ended)

    def _line(self, text: str) -> Shaped:
        cursor = self.cursor
        line = trim.first_line(text)
        if cursor.mid_line:
            return _nonblank(self._line_bounded(line, ended=True))
        line, covers = reconcile(line.rstrip(), cursor.line_after)
        if not cursor.line_after.strip():
            line = trim.cut_unopened_closers(line, self._before())
        line = trim.cut_at_repeated_line(line, cursor.line_before, cursor.following_line, ended=True)
        return _nonblank(line.rstrip(), covers)

    def _block(self, text: str) -> Shaped:
        return _nonblank(trim.cut_unopened_closers(text.rstrip(), self._before()).rstrip())

    def _before(self) -> str:
        return self.cursor.text[max(0, self.cursor.offset - BALANCE_CHARACTERS) : self.cursor.offset]


def _nonblank(text: str, covers: int = 0) -> Shaped:
    return Shaped(text, covers) if text.strip() else Shaped("")
