"""Where an answer begins to repeat itself, as small models do when they do not know on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

LINE_CHARACTERS = 4
"""Shorter lines (closers, `pass`) may follow each other."""

RULER = 8
"""A run of one character this long is a loop's shape, but no loop."""

_UNIT = re.compile(r"(?=(\S{2,40}?)\1{3})|(?=(\S[^\n]{1,40}?[ ,])\2{3})")
"""Four times the same piece in a row, with or without blanks in it; rulers of one character are none."""


def apply(draft: Candidate, _: RuleContext) -> Candidate:
    """Ends after the first round of a loop."""
    return draft.until(cut_loops(draft.text))


def cut_loops(text: str) -> str:
    """Ends after the first round of a loop, and before a line that repeats the one above it."""
    return _cut_repeated_lines(_cut_repeated_pieces(text))


def _cut_repeated_pieces(text: str) -> str:
    start = 0
    while found := _UNIT.search(text, start):
        unit = found.group(1) or found.group(2)
        if len(set(unit.strip())) > 1:
            return text[: found.start() + len(unit)]
        start = max(found.start() + 1, _end_of_ruler(text, found.start()) - RULER + 1)
    return text


def _end_of_ruler(text: str, start: int) -> int:
    """Offset after the run of one character that begins at an offset."""
    return len(text) - len(text[start:].lstrip(text[start]))


def _cut_repeated_lines(text: str) -> str:
    """Ends before a line like the one above it, and before two lines that stood together earlier."""
    lines = text.split("\n")
    pairs: dict[tuple[str, str], int] = {}
    for number in range(1, len(lines) - 1):
        line, above = lines[number], lines[number - 1]
        if len(line.strip()) < LINE_CHARACTERS:
            continue
        if line == above:
            return "\n".join(lines[:number])
        if pairs.setdefault((above, line), number) < number:
            return "\n".join(lines[: number - 1])
    return text


RULE = Rule("loops", "ends after the first round of a loop", apply)
