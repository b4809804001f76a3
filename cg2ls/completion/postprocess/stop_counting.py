"""Where an answer runs away counting, as small models do when nothing tells them to end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_COUNTED = 6
"""Pieces in a row that may count up or down; lists of a few numbers are common."""

MAX_COUNTED_BLOCKS = 3
"""The same for two or three lines together."""

_CUTS = tuple(map(re.compile, (r"(?<=\n)", r"(?<=[)\]}],)|(?<=\n)", r"(?<=,)|(?<=\n)")))
"""Where a text is cut into pieces: into lines, behind what is in brackets, or at every comma."""

_COUNTER = re.compile(r"\d{1,9}|(?<=['\"])[A-Za-z](?=['\"])")


@dataclass(frozen=True)
class _Piece:
    """A line, or a part of one.

    Attributes:
        end: offset behind it.
        shape: the piece without its counters.
        counters: their values.
    """

    end: int
    shape: str
    counters: tuple[int, ...]

    @classmethod
    def of(cls, text: str, end: int) -> _Piece:
        values = [int(found) if found.isdecimal() else ord(found) for found in _COUNTER.findall(text)]
        return cls(end, _COUNTER.sub("#", text), tuple(values))

    @classmethod
    def together(cls, pieces: list[_Piece]) -> _Piece:
        counters = tuple(value for piece in pieces for value in piece.counters)
        return cls(pieces[-1].end, "\n".join(piece.shape for piece in pieces), counters)

    def steps_from(self, last: _Piece) -> tuple[int, ...]:
        """How far each counter went since the last piece; nothing if no more than counters went on."""
        if last.shape != self.shape:
            return ()
        steps = tuple(new - old for new, old in zip(self.counters, last.counters, strict=False))
        return steps if any(steps) else ()


def apply(draft: Candidate, _: RuleContext) -> Candidate:
    """Ends after the first piece of a row of pieces that differ only in counters, each as far on as the one before."""
    text = draft.text
    rows = [(list(_pieces(text, cut)), MAX_COUNTED) for cut in _CUTS]
    rows += [(block, MAX_COUNTED_BLOCKS) for block in _blocks(rows[0][0])]
    ends = [end for pieces, most in rows if (end := _end_of_first(pieces, most)) is not None]
    return draft.until(text[: min(ends)].rstrip()) if ends else draft


def _pieces(text: str, cut: re.Pattern[str]) -> Iterable[_Piece]:
    """The whole pieces with anything in them."""
    end = 0
    for part in cut.split(text)[:-1]:
        end += len(part)
        if written := part.strip():
            yield _Piece.of(written, end)


def _blocks(lines: list[_Piece]) -> Iterator[list[_Piece]]:
    """Two or three lines taken together, from each of the first of them on."""
    for size in (2, 3):
        for first in range(size):
            starts = range(first, len(lines) - size + 1, size)
            yield [_Piece.together(lines[start : start + size]) for start in starts]


def _end_of_first(pieces: Iterable[_Piece], most: int) -> int | None:
    """Where the first piece of a row that is too long ends; None if there is none."""
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
        if row > most:
            return first_end
        last = piece
    return None


RULE = Rule("stop_counting", "ends after the first piece of a row that only counts on", apply)
