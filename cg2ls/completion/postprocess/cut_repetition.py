"""End answers that repeat themselves, as small models do when they do not know how to continue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
