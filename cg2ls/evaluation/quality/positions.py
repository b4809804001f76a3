"""Places in real files at which completion is judged by what people wrote there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from cg2ls.evaluation.simulation.sources import in_turns
from cg2ls.evaluation.simulation.typist import Draft

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.simulation.passage import Passage
    from cg2ls.evaluation.simulation.sources import Source

Kind = Literal["line_start", "word_start", "in_word", "after_open", "line_end", "block_end"]
"""Where in a line the cursor stands: behind its indentation; at the start of a later word; one to three
characters into a word; behind a bracket or quote that the editor has just closed; at the end of the finished
line; on a new line that is indented as the block that has just ended."""

SHARES: dict[Kind, int] = {
    "line_start": 3,
    "word_start": 3,
    "in_word": 3,
    "after_open": 2,
    "line_end": 1,
    "block_end": 1,
}
"""How often each kind is taken."""

NOTHING_TO_WRITE: frozenset[Kind] = frozenset({"line_end", "block_end"})
"""Kinds at which nothing is missing from the cursor's line, so that whatever is shown there is wrong."""

Below = Literal["line", "block", "nothing"]
"""What is missing below the cursor's line: no more than that line; the rest of its block; everything."""

LEAD = 4
"""Most lines above the cursor's that are being written too, so that the anchor stands where it would."""

LONGEST = 40
"""Lines of a passage."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Position:
    """One place.

    Attributes:
        source: the file.
        kind: where in the line.
        below: what is missing under it.
        draft: the file without what is being written.
        passage: what is being written, up to the cursor.
        began: document and cursor when the passage was begun, as an editor asked there first.
    """

    source: Source
    kind: Kind
    below: Below
    draft: Draft
    passage: Passage
    began: tuple[str, int]

    def place(self) -> tuple[str, int]:
        """The document and the cursor's offset in it."""
        return self.draft.text, self.draft.cursor(self.passage)


def sample(sources: Sequence[Source], count: int, seed: int = 0) -> list[Position]:
    """Places in turns from all repositories, at lines drawn at random.

    Raises:
        ReplayError: no file has such places.
    """

    def draw(source: Source, chance: random.Random) -> Callable[[], Position | None]:
        kind = chance.choices(list(SHARES), list(SHARES.values()))[0]
        return lambda: _position(source, kind, chance)

    return in_turns(sources, count, f"positions {seed}", draw)


def _position(source: Source, kind: Kind, chance: random.Random) -> Position | None:
    """A place of this kind at a line drawn at random; None if it has none."""
    lines = source.text.split("\n")
    number = chance.randrange(1, len(lines)) if len(lines) > 1 else 0
    if not number or not lines[number].strip():
        return None
    below: Below = chance.choice(get_args(Below))
    begin = max(1, number - chance.randint(0, LEAD))
    draft = Draft.of(source, [range(begin, _end(lines, number, below))], ends=below == "nothing")
    (passage,) = draft.passages
    at = 1 + sum(len(line) + 1 for line in lines[begin:number])
    offset = _offset(lines[number], kind, passage, at, chance)
    if offset is None:
        return None
    passage.advance(1)
    began = draft.text, draft.cursor(passage)
    passage.advance(at + offset)
    if (kind == "block_end") == passage.target.startswith(passage.left):
        return None
    return Position(source, kind, below, draft, passage, began)


def _end(lines: Sequence[str], number: int, below: Below) -> int:
    """The line behind the passage."""
    end = number + 1
    if below != "line":
        deep = _depth(lines[number])
        within = range(end, min(len(lines), number + LONGEST))
        if below == "block":
            within = range(
                end, next((i for i in within if lines[i].strip() and _depth(lines[i]) < deep), within.stop)
            )
        end = max((i + 1 for i in within if lines[i].strip()), default=end)
    return end


def _offset(line: str, kind: Kind, passage: Passage, at: int, chance: random.Random) -> int | None:
    """Characters of the line left of the cursor; None if it has no place of the kind."""
    written = line.rstrip()
    deep = _depth(line)
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
    return chance.choice(offsets) if offsets else None


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
