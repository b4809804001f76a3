"""A typist: which keys are pressed when, over real files, the same on every machine.

Gaps between keys are log-normal; some keys are wrong and taken back, and now and then the cursor jumps to
another place, in the same file or another one.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.evaluation.quality.errors import ReplayError
from cg2ls.evaluation.quality.partial_file import Draft

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cg2ls.evaluation.quality.passage import Passage, Stroke
    from cg2ls.evaluation.quality.sources import Source

MEDIAN_GAP_MS = 160.0
SIGMA = 0.5
BACKSPACES = 0.04
"""Share of all keys. Each takes back one wrong key pressed just before."""

SLIPS = BACKSPACES / (1 - BACKSPACES)
"""Share of wrong keys among those that take nothing back, which makes backspaces that share of all."""

KEYS_PER_JUMP = 40
OPEN_FILES = 3
"""Files someone works on at a time."""

PASSAGES = 3
"""Most passages of a file that are written at a time."""

PASSAGE_LINES = (4, 24)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Key:
    """One key and the document after it.

    Attributes:
        source: the file.
        stroke: what the key did.
        text: the document.
        offset: of the cursor.
        gap_ms: time since the key before.
        jumped: whether the cursor went elsewhere just before this key.
    """

    source: Source
    stroke: Stroke
    text: str
    offset: int
    gap_ms: float
    jumped: bool


class Typist:
    """Writes passages of files until there are no files left.

    Args:
        sources: files to write in; each is opened once, in an order of the seed's.
        seed: of everything random.
        passages: most passages of a file that are written.
    """

    def __init__(self, sources: Sequence[Source], seed: int = 0, *, passages: int = PASSAGES) -> None:
        self._passages = passages
        self._random = random.Random(seed)
        self._waiting = [source for source in sources if _long_enough(source)]
        self._random.shuffle(self._waiting)
        self._open: list[Draft] = []
        self._owed_jumps = 0
        self.finished: list[Draft] = []
        if not self._waiting:
            raise ReplayError("No file is long enough to type in: each needs some ten lines.")

    def __iter__(self) -> Iterator[Key]:
        """Every key, in order, once."""
        jumped = True
        place = self._next_place(None)
        while place:
            draft, passage = place
            stroke = self._press(passage)
            gap = MEDIAN_GAP_MS * math.exp(self._random.gauss(0, SIGMA))
            yield Key(draft.source, stroke, draft.text, draft.cursor(passage), gap, jumped)
            jumped = passage.finished or (self._random.random() < 1 / KEYS_PER_JUMP and self._may_jump())
            if passage.finished:
                self._owed_jumps += 1
            if jumped:
                place = self._next_place(place)

    def _press(self, passage: Passage) -> Stroke:
        right = passage.target[passage.done] if passage.done < len(passage.target) else ""
        if not passage.slip and self._random.random() < SLIPS:
            return passage.slip_with(self._random.choice(LETTERS.replace(right.lower() or "-", "")))
        return passage.step()

    def _may_jump(self) -> bool:
        """False where the jump from a finished passage to the next stands for this one."""
        if self._owed_jumps:
            self._owed_jumps -= 1
            return False
        return True

    def _next_place(self, now: tuple[Draft, Passage] | None) -> tuple[Draft, Passage] | None:
        """Another place to write at: half of the time in the same file, where there is one."""
        self._close_and_open()
        places = [
            (draft, passage)
            for draft in self._open
            for passage in draft.passages
            if not passage.finished and (now is None or passage is not now[1])
        ]
        if not places:
            return now if now and not now[1].finished else None
        near = [place for place in places if now and place[0] is now[0]]
        return self._random.choice(near if near and self._random.random() < 0.5 else places)

    def _close_and_open(self) -> None:
        done = [draft for draft in self._open if all(passage.finished for passage in draft.passages)]
        self.finished += done
        self._open = [draft for draft in self._open if draft not in done]
        while len(self._open) < OPEN_FILES and self._waiting:
            source = self._waiting.pop()
            self._open.append(Draft.of(source, self._holes(source.text.split("\n"))))

    def _holes(self, lines: Sequence[str]) -> list[range]:
        """Some runs of lines with others between them."""
        share = len(lines) // PASSAGES
        starts = range(0, len(lines), share) if share > PASSAGE_LINES[1] else [0]
        holes = []
        for begin in starts[: self._passages]:
            most = min(self._random.randint(*PASSAGE_LINES), max(len(lines) // 3, 1))
            first = begin + 1 + self._random.randrange(max(min(share, len(lines) - begin) - most - 2, 1))
            last = min(first + most, len(lines))
            while last > first and not lines[last - 1].strip():
                last -= 1
            if last > first:
                holes.append(range(first, last))
        return holes


def _long_enough(source: Source) -> bool:
    lines = source.text.split("\n")
    return len(lines) >= 2 * PASSAGE_LINES[0] and sum(bool(line.strip()) for line in lines) > len(lines) / 2
