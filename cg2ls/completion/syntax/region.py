"""The piece of a document around the cursor that is parsed, so that a file's length does not matter.

It runs between lines at the margin, where code that somebody formatted has its definitions. What is cut wrongly, as
inside of a long string, does not parse without the suggestion either, and then nothing is concluded from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Cursor


REACH = 60
"""Lines above the cursor's line, and below it, that a region holds at most."""

LONGEST = 20_000
"""Characters on each side of the cursor's line that a region holds at most."""

CONTINUES = ("else", "elif", "except", "finally", "catch", "then", "and ", "or ", "end")
NO_BEGINNING = tuple(")]}#/*'\"`")


@dataclass(frozen=True)
class Region:
    """A piece of a document.

    Attributes:
        above: whole lines above the cursor's line.
        line_before: the cursor's line up to the cursor.
        line_after: the cursor's line from the cursor on.
        below: whole lines below the cursor's line, the end of that line in front.
        margin: how deep the lines are indented that something of its own may begin on.
    """

    above: str
    line_before: str
    line_after: str
    below: str
    margin: int = 0

    def with_text(self, text: str, replace_length: int = 0) -> str:
        """The region with a text inserted at the cursor, `replace_length` characters right of it replaced."""
        return self.above + self.line_before + text + self.line_after[replace_length:] + self.below

    def without_line(self, filler: str) -> str:
        """The region with a filler, as deep as the cursor's line, in that line's place."""
        blanks = self.line_before[: len(self.line_before) - len(self.line_before.lstrip())]
        return f"{self.above}{blanks if filler else ''}{filler}{self.below}"

    @cached_property
    def closest(self) -> Region:
        """The piece around the cursor's line that begins and ends where something of its own does: a function."""
        above, below = self.above.split("\n")[:-1], self.below.split("\n")[1:]
        lines = range(len(above) - 1, -1, -1)
        first = next((number for number in lines if _begins(above[number], self.margin)), 0)
        last = next((number for number, line in enumerate(below) if _begins(line, self.margin)), len(below))
        return replace(self, above=_ended(above[first:]), below=_begun(below[:last]))

    @property
    def holds_deeper_line_below(self) -> bool:
        """Whether the next line with anything on it is indented deeper than the cursor's."""
        following = next((line for line in self.below.split("\n") if line.strip()), "")
        return bool(following) and indentation(following) > indentation(self.line_before + "x")


def region_of(cursor: Cursor) -> Region | None:
    """The region around a cursor; None in a line so long that a part of it does not count."""
    if cursor.is_cut:
        return None
    text = cursor.text
    above = _lines_above(text, cursor.line_start)
    below = _lines_below(text, cursor.line_end)
    margin = 0
    if len(above) == REACH and not any(_begins(line, 0) for line in above):
        margin = min((indentation(line) for line in above if line.strip()), default=0)
    if len(above) == REACH:
        first = next((number for number, line in enumerate(above) if _begins(line, margin)), len(above))
        above = above[first:]
    below = _until_less(below, margin)
    if len(below) == REACH:
        last = next((number for number in range(len(below) - 1, 0, -1) if _begins(below[number], margin)), 0)
        below = below[: last or None]
    return Region(
        above=_ended(above),
        line_before=cursor.line_before,
        line_after=cursor.line_after,
        below=_begun(below),
        margin=margin,
    )


def _ended(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _begun(lines: list[str]) -> str:
    return "".join(f"\n{line}" for line in lines)


def _begins(line: str, margin: int) -> bool:
    """Whether something of its own may begin on a line that is indented so deep."""
    stripped = line.lstrip()
    return (
        bool(stripped) and indentation(line) == margin and not stripped.startswith(CONTINUES + NO_BEGINNING)
    )


def _until_less(lines: list[str], margin: int) -> list[str]:
    """The lines before the first one that is indented less."""
    for number, line in enumerate(lines):
        if line.strip() and indentation(line) < margin:
            return lines[:number]
    return lines


def _lines_above(text: str, line_start: int) -> list[str]:
    """Lines that end before an offset, the start of a line; the last one is the nearest."""
    start, lines = line_start, 0
    while start > 0 and lines < REACH:
        least = max(0, line_start - LONGEST)
        above = text.rfind("\n", least, max(least, start - 1)) + 1
        if not above and least:  # the line reaches out of the region
            break
        start = above
        lines += 1
    return text[start : line_start - 1].split("\n") if lines else []


def _lines_below(text: str, line_end: int) -> list[str]:
    """Lines that begin behind an offset, the end of a line."""
    end, lines = line_end, 0
    most = line_end + LONGEST
    while end < len(text) and lines < REACH:
        found = text.find("\n", end + 1, most)
        if found < 0 and most < len(text):  # the line reaches out of the region
            break
        end = len(text) if found < 0 else found
        lines += 1
    return text[line_end + 1 : end].split("\n") if lines else []


TAB_WIDTH = 4
"""Columns a tab counts for when indentation is compared."""


def indentation(line: str) -> int:
    """Width of a line's leading blanks, in columns."""
    expanded = line.expandtabs(TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip())
