"""Rules against repetition: of pieces of the answer, as small models write, and of the lines around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


MIN_LINE_CHARS = 4
"""Shorter lines (closers, `pass`) may be repeated."""

RULER_CHARS = 8
"""A run of one character of this length matches `_UNIT` but is a ruler, not a repetition."""

_UNIT = re.compile(r"(?=(\S{2,40}?)\1{3})|(?=(\S[^\n]{1,40}?[ ,])\2{3})")
"""The same piece four times in a row, with or without blanks in it."""


def cut_repetition(candidate: Candidate, _: RuleContext) -> Candidate:
    """Cut the text after the first of several repetitions."""
    return candidate.until(cut_repetitions(candidate.text))


def cut_repetitions(text: str) -> str:
    """Cut a text after the first of several repetitions, and before a line that repeats the one above it."""
    return _cut_repeated_lines(_cut_repeated_pieces(text))


def _cut_repeated_pieces(text: str) -> str:
    start = 0
    while found := _UNIT.search(text, start):
        unit = found.group(1) or found.group(2)
        if len(set(unit.strip())) > 1:
            return text[: found.start() + len(unit)]
        start = max(found.start() + 1, _end_of_ruler(text, found.start()) - RULER_CHARS + 1)
    return text


def _end_of_ruler(text: str, start: int) -> int:
    """Return the offset after the run of one character that begins at an offset."""
    return len(text) - len(text[start:].lstrip(text[start]))


def _cut_repeated_lines(text: str) -> str:
    """Cut before a line that equals the one above it, and before a pair of lines that occurred earlier."""
    lines = text.split("\n")
    pairs: dict[tuple[str, str], int] = {}
    for number in range(1, len(lines) - 1):
        line, above = lines[number], lines[number - 1]
        if len(line.strip()) < MIN_LINE_CHARS:
            continue
        if line == above:
            return "\n".join(lines[:number])
        if pairs.setdefault((above, line), number) < number:
            return "\n".join(lines[: number - 1])
    return text


MAX_COUNTED = 6
"""Number of consecutive pieces that may count up or down; lists of a few numbers are common."""

MAX_COUNTED_BLOCKS = 3
"""The same for blocks of two or three lines."""

_CUTS = tuple(map(re.compile, (r"(?<=\n)", r"(?<=[)\]}],)|(?<=\n)", r"(?<=,)|(?<=\n)")))
"""Places where a text is cut into pieces: at lines, after brackets with a comma, or at every comma."""

_COUNTER = re.compile(r"\d{1,9}|(?<=['\"])[A-Za-z](?=['\"])")


@dataclass(frozen=True)
class _Piece:
    """A line, or a part of one.

    Attributes:
        end: offset of its end.
        shape: the piece without its counters.
        counters: values of the counters.
    """

    end: int
    shape: str
    counters: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, end: int) -> _Piece:
        values = [int(found) if found.isdecimal() else ord(found) for found in _COUNTER.findall(text)]
        return cls(end, _COUNTER.sub("#", text), tuple(values))

    @classmethod
    def join(cls, pieces: list[_Piece]) -> _Piece:
        counters = tuple(value for piece in pieces for value in piece.counters)
        return cls(pieces[-1].end, "\n".join(piece.shape for piece in pieces), counters)

    def steps_from(self, last: _Piece) -> tuple[int, ...]:
        """Return the change of each counter since the last piece; nothing if other text changed, too."""
        if last.shape != self.shape:
            return ()
        steps = tuple(new - old for new, old in zip(self.counters, last.counters, strict=False))
        return steps if any(steps) else ()


def stop_counting(candidate: Candidate, _: RuleContext) -> Candidate:
    """Cut after the first of several pieces that differ only in counters, which change by the same steps."""
    text = candidate.text
    rows = [(list(_split(text, cut)), MAX_COUNTED) for cut in _CUTS]
    rows += [(block, MAX_COUNTED_BLOCKS) for block in _join_blocks(rows[0][0])]
    ends = [end for pieces, max_row in rows if (end := _find_end_of_first(pieces, max_row)) is not None]
    return candidate.until(text[: min(ends)].rstrip()) if ends else candidate


def _split(text: str, cut: re.Pattern[str]) -> Iterable[_Piece]:
    """Yield the whole pieces that are not blank."""
    end = 0
    for part in cut.split(text)[:-1]:
        end += len(part)
        if written := part.strip():
            yield _Piece.parse(written, end)


def _join_blocks(lines: list[_Piece]) -> Iterator[list[_Piece]]:
    """Yield the blocks of two or of three lines, for each possible offset."""
    for size in (2, 3):
        for first in range(size):
            starts = range(first, len(lines) - size + 1, size)
            yield [_Piece.join(lines[start : start + size]) for start in starts]


def _find_end_of_first(pieces: Iterable[_Piece], max_row: int) -> int | None:
    """Return the end of the first piece of a row that is too long; None if there is none."""
    row, first_end = 0, 0
    row_steps: tuple[int, ...] = ()
    last: _Piece | None = None
    for piece in pieces:
        steps = piece.steps_from(last) if last else ()
        if last is None or not steps:
            row, row_steps, first_end = 1, (), piece.end
        elif row == 1 or steps == row_steps:
            row, row_steps = row + 1, steps
        else:
            row, row_steps, first_end = 2, steps, last.end
        if row > max_row:
            return first_end
        last = piece
    return None


_ENTRY_CUT = re.compile(r"(?<=,)|(?<=\n)")
_ENTRY = re.compile(r"""\s*((["'])[^"'\\]*\2)\s*:""")
_BRACKET_OR_COMMA = re.compile(r"[()\[\]{},]")
_BRACKET = re.compile(r"[()\[\]{}]")


def stop_at_repeated_key(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut before an entry whose key, a string, already occurs in the same dictionary.

    Entries belong to the same dictionary if there is no bracket between them, including those directly above.
    """
    keys = _find_keys_above(context.cursor.written_above)
    end, typed = 0, _BRACKET_OR_COMMA.split(context.cursor.line_before)[-1]
    for part in _ENTRY_CUT.split(candidate.text):
        entry = _ENTRY.match(part if end else typed + part)
        if entry and entry.group(1) in keys:
            return candidate.until(candidate.text[:end].rstrip())
        if _BRACKET.search(part):
            keys.clear()
        elif entry:
            keys.add(entry.group(1))
        end += len(part)
    return candidate


def _find_keys_above(lines: Iterable[str]) -> set[str]:
    """Return the keys of the entries in the nearest lines, up to a line that is not an entry."""
    keys: set[str] = set()
    for line in reversed(tuple(lines)):
        entry = _ENTRY.match(line)
        if not entry or not line.endswith(",") or _BRACKET.search(line):
            break
        keys.add(entry.group(1))
    return keys


MAX_COMPARED_LINES = 3
"""Number of lines that are compared with the lines above."""


def drop_repeated_above(candidate: Candidate, context: RuleContext) -> Candidate:
    """Drop a text that begins with the line directly above the cursor's, or with the two or three above it.

    Lines without a letter, such as rows of numbers, and very short lines may be repeated. So may an item of a list that
    the user has begun to type.
    """
    cursor = context.cursor
    if cursor.is_mid_line:
        return candidate
    lines = candidate.text.split("\n")
    lines[0] = cursor.line_before + lines[0]
    whole = [line.rstrip() for line in (lines if candidate.ended else lines[:-1]) if line.strip()]
    above = cursor.written_above
    is_item_begun = any(char.isalpha() for char in cursor.line_before)
    for count in range(1, min(len(whole), MAX_COMPARED_LINES) + 1):
        if is_item_begun and whole[0].endswith(","):
            break
        if above[-count:] == tuple(whole[:count]) and _is_significant(whole[:count]):
            return candidate.until("")
    return candidate


def _is_significant(lines: list[str]) -> bool:
    written = "".join(line.strip() for line in lines)
    return len(written) >= MIN_LINE_CHARS and any(char.isalpha() for char in written)


def drop_repeated_below(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut before a line that equals the next line that is not blank."""
    following = context.cursor.following_line
    if not following or context.cursor.is_mid_line:
        return candidate
    lines = candidate.text.split("\n")
    for number in range(len(lines) if candidate.ended else len(lines) - 1):
        line = (context.cursor.line_before + lines[0] if number == 0 else lines[number]).rstrip()
        if line == following:
            return candidate.until("\n".join(lines[:number]))
    return candidate
