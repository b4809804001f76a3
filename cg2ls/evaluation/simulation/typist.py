"""A typist: which keys are pressed when, over real files, the same on every machine.

Gaps between keys are log-normal; some keys are wrong and taken back, and now and then the cursor jumps to
another place, in the same file or another one.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.evaluation.errors import ReplayError
from cg2ls.evaluation.simulation.passage import Passage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cg2ls.evaluation.simulation.passage import Passage, Stroke
    from cg2ls.evaluation.simulation.sources import Source

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


HASH_LANGUAGES = frozenset({"python", "ruby", "shellscript"})
"""LSP ids of the languages whose comments begin with #."""


@dataclass
class Draft:
    """A file being written.

    Attributes:
        source: the whole file.
        pieces: the file in order: what stands, and passages to be written.
    """

    source: Source
    pieces: Sequence[str | Passage]

    @classmethod
    def of(cls, source: Source, holes: Iterable[range], *, ends: bool = False) -> Draft:
        """A file without some of its lines.

        Args:
            source: the file.
            holes: lines to be written, from 0, in order and not touching; never the first, and the last of
                a hole is not blank.
            ends: whether nothing stands behind the last hole.
        """
        lines = source.text.split("\n")
        unit, comment = indentation_unit(lines), "#" if source.language in HASH_LANGUAGES else "//"
        pieces: list[str | Passage] = []
        start = 0
        for hole in holes:
            pieces.append(("\n" if start else "") + "\n".join(lines[start : hole.start]))
            target = "\n" + "\n".join(lines[hole.start : hole.stop])
            pieces.append(Passage(target, lines[hole.start - 1], unit, comment))
            start = hole.stop
        if start < len(lines) and not ends:
            pieces.append(("\n" if start else "") + "\n".join(lines[start:]))
        return cls(source, pieces)

    @property
    def passages(self) -> list[Passage]:
        """Those to be written."""
        return [piece for piece in self.pieces if isinstance(piece, Passage)]

    @property
    def text(self) -> str:
        """The document as it stands."""
        return "".join(
            piece.left + piece.right if isinstance(piece, Passage) else piece for piece in self.pieces
        )

    def cursor(self, passage: Passage) -> int:
        """Offset of the cursor in `text` while someone writes this passage."""
        offset = 0
        for piece in self.pieces:
            if piece is passage:
                return offset + len(passage.left)
            offset += len(piece.left) + len(piece.right) if isinstance(piece, Passage) else len(piece)
        raise ValueError("the passage is not of this draft")


def indentation_unit(lines: Sequence[str]) -> str:
    """One step of indentation: the commonest by which a line stands deeper than the one above it."""
    steps: Counter[str] = Counter()
    above = ""
    for line in lines:
        if not line.strip():
            continue
        deep = line[: len(line) - len(line.lstrip())]
        if len(deep) > len(above) and deep.startswith(above):
            steps[deep[len(above) :]] += 1
        above = deep
    return steps.most_common(1)[0][0] if steps else "    "
