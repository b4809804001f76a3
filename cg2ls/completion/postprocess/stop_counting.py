"""End answers that only count, as small models do when nothing tells them to end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

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
