"""The piece of a document around the cursor that is parsed; its size does not grow with the file.

It begins and ends at lines without indentation, where formatted code has its definitions. A piece that is cut at a
wrong place, such as inside a long string, does not parse without the suggestion either. Then no conclusion is drawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.grammar import Grammar


MAX_REGION_LINES = 60
"""Maximum number of lines of a region above the cursor's line, and below it."""

MAX_REGION_CHARS = 20_000
"""Maximum number of characters of a region on each side of the cursor's line."""

TAB_COLUMNS = 4
"""Columns that a tab counts for when indentation is compared."""

CONTINUATIONS = ("else", "elif", "except", "finally", "catch", "then", "and ", "or ", "end")
NON_BEGINNINGS = tuple(")]}#/*'\"`")


def measure_indentation(line: str) -> int:
    """Return the width of a line's leading blanks, in columns."""
    width = len(line) - len(line.lstrip())
    return len(line[:width].expandtabs(TAB_COLUMNS)) if "\t" in line[:width] else width


@dataclass(frozen=True)
class Region:
    """A piece of a document around the cursor.

    Attributes:
        above: whole lines above the cursor's line.
        line_before: text of the cursor's line before the cursor.
        line_after: text of the cursor's line after the cursor.
        below: whole lines below the cursor's line, beginning with the end of that line.
        margin: indentation of the lines on which a definition or statement may begin.
    """

    above: str
    line_before: str
    line_after: str
    below: str
    margin: int = 0

    def with_text(self, text: str, replace_length: int = 0) -> str:
        """Return the region with a text in place of `replace_length` characters after the cursor."""
        return self.above + self.line_before + text + self.line_after[replace_length:] + self.below

    def without_line(self, filler: str) -> str:
        """Return the region with a filler, at the same indentation, in place of the cursor's line."""
        blanks = self.line_before[: len(self.line_before) - len(self.line_before.lstrip())]
        return f"{self.above}{blanks if filler else ''}{filler}{self.below}"

    @cached_property
    def closest(self) -> Region:
        """The definition or statement around the cursor's line, such as a function."""
        above, below = self.above.split("\n")[:-1], self.below.split("\n")[1:]
        lines = range(len(above) - 1, -1, -1)
        first = next((number for number in lines if _may_begin(above[number], self.margin)), 0)
        last = next(
            (number for number, line in enumerate(below) if _may_begin(line, self.margin)), len(below)
        )
        return replace(self, above=_join_above(above[first:]), below=_join_below(below[:last]))

    @property
    def holds_deeper_line_below(self) -> bool:
        """Whether the next line that is not blank is indented deeper than the cursor's."""
        following = next((line for line in self.below.split("\n") if line.strip()), "")
        return bool(following) and measure_indentation(following) > measure_indentation(
            self.line_before + "x"
        )


def find_region(cursor: Cursor) -> Region | None:
    """Return the region around a cursor; None in a line that is too long to parse."""
    if cursor.is_cut:
        return None
    text = cursor.text
    above = _lines_above(text, cursor.line_start)
    below = _lines_below(text, cursor.line_end)
    margin = 0
    if len(above) == MAX_REGION_LINES and not any(_may_begin(line, 0) for line in above):
        margin = min((measure_indentation(line) for line in above if line.strip()), default=0)
    if len(above) == MAX_REGION_LINES:
        first = next((number for number, line in enumerate(above) if _may_begin(line, margin)), len(above))
        above = above[first:]
    below = _cut_at_dedent(below, margin)
    if len(below) == MAX_REGION_LINES:
        last = next(
            (number for number in range(len(below) - 1, 0, -1) if _may_begin(below[number], margin)), 0
        )
        below = below[: last or None]
    return Region(
        above=_join_above(above),
        line_before=cursor.line_before,
        line_after=cursor.line_after,
        below=_join_below(below),
        margin=margin,
    )


def _join_above(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _join_below(lines: list[str]) -> str:
    return "".join(f"\n{line}" for line in lines)


def _may_begin(line: str, margin: int) -> bool:
    """Return whether a definition or statement may begin on a line, at the indentation `margin`."""
    stripped = line.lstrip()
    return (
        bool(stripped)
        and measure_indentation(line) == margin
        and not stripped.startswith(CONTINUATIONS + NON_BEGINNINGS)
    )


def _cut_at_dedent(lines: list[str], margin: int) -> list[str]:
    """Return the lines before the first one that is indented less."""
    if margin == 0:
        return lines
    for number, line in enumerate(lines):
        if line.strip() and measure_indentation(line) < margin:
            return lines[:number]
    return lines


def _lines_above(text: str, line_start: int) -> list[str]:
    """Return the lines before an offset, the start of a line; the last one is the nearest."""
    start, lines = line_start, 0
    while start > 0 and lines < MAX_REGION_LINES:
        min_offset = max(0, line_start - MAX_REGION_CHARS)
        above = text.rfind("\n", min_offset, max(min_offset, start - 1)) + 1
        if not above and min_offset:  # the line begins before the region
            break
        start = above
        lines += 1
    return text[start : line_start - 1].split("\n") if lines else []


def _lines_below(text: str, line_end: int) -> list[str]:
    """Return the lines after an offset, the end of a line."""
    end, lines = line_end, 0
    max_offset = line_end + MAX_REGION_CHARS
    while end < len(text) and lines < MAX_REGION_LINES:
        found = text.find("\n", end + 1, max_offset)
        if found < 0 and max_offset < len(text):  # the line ends after the region
            break
        end = len(text) if found < 0 else found
        lines += 1
    return text[line_end + 1 : end].split("\n") if lines else []


Kind = Literal["code", "comment", "documentation", "string"]
"""Kind of text at the cursor; documentation is a string that is a whole statement."""

COMMENT_STARTS = ("#", "//", "/*", "* ", "--", ";;")
"""Beginnings of comment lines, for languages without a grammar."""

CODE_IN_STRINGS = frozenset({"interpolation", "template_substitution", "string_interpolation", "expansion"})


def find_kind(cursor: Cursor, grammar: Grammar | None) -> Kind:
    """Return the kind of text at the cursor; without a grammar, only comment lines differ from code.

    A line that is too long to parse, and code that takes too many steps to parse, count as code.
    """
    if grammar is None:
        return "comment" if cursor.line_before.lstrip().startswith(COMMENT_STARTS) else "code"
    region = find_region(cursor)
    if region is None:
        return "code"
    offset = len(region.above) + len(region.line_before)
    if not offset:
        return "code"
    types = grammar.node_types_at(region.with_text(""), offset)
    if not types or types[0] == "string_end":
        return "code"
    for number, name in enumerate(types):
        if name in CODE_IN_STRINGS:
            return "code"
        if "comment" in name:
            return "comment"
        if "string" in name:
            outer = types[number + 1 : number + 3]
            return "documentation" if "expression_statement" in outer else "string"
    return "code"


_FUNCTION = re.compile(r"(?:async\s+)?def\b")
"""Beginning of a function of Python, after its indentation."""


def find_function(region: Region, text: str) -> Region | None:
    """Return the function of Python around the cursor's line alone, which takes less time to compile.

    The result is None if there is none or the text leaves it. Its margin is the indentation of its first line. What the
    lines around a function decide, such as whether a `nonlocal` has its variable, makes the function alone invalid
    without the cursor's line too.
    """
    above, below = region.above.split("\n")[:-1], region.below.split("\n")[1:]
    outside = measure_indentation(region.line_before + "x")
    for number in range(len(above) - 1, -1, -1):
        written = above[number].lstrip()
        indentation = measure_indentation(above[number])
        if not written or indentation >= outside or written.startswith((")", "]", "}", "#")):
            continue
        if not _FUNCTION.match(written):
            outside = indentation
            continue
        if next(_outside(text.split("\n")[1:], indentation), None) is not None:
            return None
        end = next(_outside(below, indentation), len(below))
        return replace(
            region,
            above="".join(f"{line}\n" for line in above[number:]),
            below="".join(f"\n{line}" for line in below[:end]),
            margin=indentation,
        )
    return None


def _outside(lines: list[str], indentation: int) -> Iterator[int]:
    """Yield the numbers of lines that are not blank and not indented deeper."""
    return (at for at, line in enumerate(lines) if line.strip() and measure_indentation(line) <= indentation)
