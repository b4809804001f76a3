"""Positions in real files at which completion is compared with the text that people wrote there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from cg2ls.evaluation.simulation.sources import draw_in_turns
from cg2ls.evaluation.simulation.typist import PartialFile

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.simulation.passage import Passage
    from cg2ls.evaluation.simulation.sources import SourceFile

Kind = Literal["line_start", "word_start", "in_word", "after_open", "line_end", "block_end"]
"""Kinds of places in a line: after its indentation; at the start of a later word; one to three characters into a word;
after a bracket or quote that the editor has just closed; at the end of the finished line; on a new line that is
indented as the block that has just ended."""

SHARES: dict[Kind, int] = {
    "line_start": 3,
    "word_start": 3,
    "in_word": 3,
    "after_open": 2,
    "line_end": 1,
    "block_end": 1,
}
"""Relative frequency of each kind."""

NOTHING_TO_WRITE: frozenset[Kind] = frozenset({"line_end", "block_end"})
"""Kinds at which nothing is missing from the cursor's line, so that anything shown there is wrong."""

Below = Literal["line", "block", "nothing"]
"""Missing text: only the cursor's line; also the rest of its block; also everything below."""

MAX_LEAD_LINES = 4
"""Lines above the cursor's that are part of the passage, so that the anchor is where it would be while typing."""

MAX_PASSAGE_LINES = 40
"""Lines of a passage."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Position:
    """A position in a file.

    Attributes:
        source: the file.
        kind: kind of the place in the line.
        below: extent of the missing text.
        file: the file without the passage that is being written.
        passage: the passage that is being written, up to the cursor.
        start: document and cursor at the beginning of the passage, where an editor would first request.
    """

    source: SourceFile
    kind: Kind
    below: Below
    file: PartialFile
    passage: Passage
    start: tuple[str, int]

    def get_place(self) -> tuple[str, int]:
        """Return the document and the cursor's offset in it."""
        return self.file.text, self.file.get_cursor(self.passage)


def sample_positions(sources: Sequence[SourceFile], count: int, seed: int = 0) -> list[Position]:
    """Draw positions in turns from all repositories, at random lines.

    Raises:
        EvaluationError: no file has such positions.
    """

    def draw(source: SourceFile, random_source: random.Random) -> Callable[[], Position | None]:
        kind = random_source.choices(list(SHARES), list(SHARES.values()))[0]
        return lambda: _draw_position(source, kind, random_source)

    return draw_in_turns(sources, count, f"positions {seed}", draw)


def _draw_position(source: SourceFile, kind: Kind, random_source: random.Random) -> Position | None:
    """Draw a position of a kind at a random line; None if the line has none."""
    lines = source.text.split("\n")
    number = random_source.randrange(1, len(lines)) if len(lines) > 1 else 0
    if not number or not lines[number].strip():
        return None
    below: Below = random_source.choice(get_args(Below))
    begin = max(1, number - random_source.randint(0, MAX_LEAD_LINES))
    file = PartialFile.of(
        source, [range(begin, _find_end(lines, number, below))], ends_with_hole=below == "nothing"
    )
    (passage,) = file.passages
    at = 1 + sum(len(line) + 1 for line in lines[begin:number])
    offset = _draw_offset(lines[number], kind, passage, at, random_source)
    if offset is None:
        return None
    passage.advance(1)
    start = file.text, file.get_cursor(passage)
    passage.advance(at + offset)
    if (kind == "block_end") == passage.target.startswith(passage.left):
        return None
    return Position(source, kind, below, file, passage, start)


def _find_end(lines: Sequence[str], number: int, below: Below) -> int:
    """Return the line after the passage."""
    end = number + 1
    if below != "line":
        deep = _measure_indent(lines[number])
        within = range(end, min(len(lines), number + MAX_PASSAGE_LINES))
        if below == "block":
            within = range(
                end,
                next(
                    (i for i in within if lines[i].strip() and _measure_indent(lines[i]) < deep), within.stop
                ),
            )
        end = max((i + 1 for i in within if lines[i].strip()), default=end)
    return end


def _draw_offset(
    line: str, kind: Kind, passage: Passage, at: int, random_source: random.Random
) -> int | None:
    """Draw the length of the line before the cursor; None if it has no position of the kind."""
    written = line.rstrip()
    deep = _measure_indent(line)
    if kind == "block_end":
        return 0
    if kind == "line_start":
        return deep
    if kind == "line_end":
        return len(written)
    words = [(found.start(), found.end()) for found in _WORD.finditer(written)]
    if kind == "word_start":
        offsets = [start for start, _ in words if start > deep]
    elif kind == "in_word":
        offsets = [start + typed for start, end in words for typed in (1, 2, 3) if end - start > typed + 1]
    else:
        closed = passage.pairs
        offsets = [i + 1 for i in range(len(written)) if closed.get(at + i) is not None]
    return random_source.choice(offsets) if offsets else None


def _measure_indent(line: str) -> int:
    return len(line) - len(line.lstrip())
