"""Typist: which keys are pressed when, over real files, the same on every machine.

Gaps between keys are log-normal. Some keys are wrong and then deleted. Sometimes the cursor jumps to another place in
the same file or another one.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.simulation.passage import Passage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cg2ls.evaluation.simulation.passage import Passage, Stroke
    from cg2ls.evaluation.simulation.sources import SourceFile

MEDIAN_GAP_MS = 160.0
GAP_SIGMA = 0.5
BACKSPACE_SHARE = 0.04
"""Share of all keys. Each deletes one wrong key pressed just before."""

SLIP_SHARE = BACKSPACE_SHARE / (1 - BACKSPACE_SHARE)
"""Share of wrong keys among those that delete nothing, which makes backspaces BACKSPACE_SHARE of all keys."""

KEYS_PER_JUMP = 40
MAX_OPEN_FILES = 3
"""Files that a simulated user works on at a time."""

MAX_PASSAGES = 3
"""Passages of a file that are written at a time."""

PASSAGE_LINES = (4, 24)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


HASH_COMMENT_LANGUAGES = frozenset({"python", "ruby", "shellscript"})
"""LSP ids of the languages whose comments begin with #."""


@dataclass(frozen=True)
class KeyPress:
    """One key and the document after it.

    Attributes:
        source: the file.
        stroke: effect of the key.
        text: the document.
        offset: the cursor's offset.
        gap_ms: time since the key before.
        jumped: whether the cursor moved elsewhere just before this key.
    """

    source: SourceFile
    stroke: Stroke
    text: str
    offset: int
    gap_ms: float
    jumped: bool


class Typist:
    """Writes passages of files until there are no files left.

    Args:
        sources: files to write in; each is opened once, in an order that depends on the seed.
        seed: seed of everything random.
        passages: limit of passages that are written in a file.
    """

    def __init__(self, sources: Sequence[SourceFile], seed: int = 0, *, passages: int = MAX_PASSAGES) -> None:
        self._passages = passages
        self._random = random.Random(seed)
        self._waiting = [source for source in sources if _is_long_enough(source)]
        self._random.shuffle(self._waiting)
        self._open: list[PartialFile] = []
        self._planned_jumps = 0
        self.finished: list[PartialFile] = []
        if not self._waiting:
            raise EvaluationError("No file is long enough to type in: each needs some ten lines.")

    def __iter__(self) -> Iterator[KeyPress]:
        """Yield every key once, in order."""
        jumped = True
        place = self._next_place(None)
        while place:
            file, passage = place
            stroke = self._press_key(passage)
            gap = MEDIAN_GAP_MS * math.exp(self._random.gauss(0, GAP_SIGMA))
            yield KeyPress(file.source, stroke, file.text, file.get_cursor(passage), gap, jumped)
            jumped = passage.finished or (self._random.random() < 1 / KEYS_PER_JUMP and self._may_jump())
            if passage.finished:
                self._planned_jumps += 1
            if jumped:
                place = self._next_place(place)

    def _press_key(self, passage: Passage) -> Stroke:
        right = passage.target[passage.done] if passage.done < len(passage.target) else ""
        if not passage.slip and self._random.random() < SLIP_SHARE:
            return passage.press_wrong_key(self._random.choice(LETTERS.replace(right.lower() or "-", "")))
        return passage.press_next_key()

    def _may_jump(self) -> bool:
        """Return False if the jump from a finished passage to the next replaces this one."""
        if self._planned_jumps:
            self._planned_jumps -= 1
            return False
        return True

    def _next_place(self, current: tuple[PartialFile, Passage] | None) -> tuple[PartialFile, Passage] | None:
        """Choose another place to write at: half of the time in the same file, if there is one."""
        self._close_and_open()
        places = [
            (file, passage)
            for file in self._open
            for passage in file.passages
            if not passage.finished and (current is None or passage is not current[1])
        ]
        if not places:
            return current if current and not current[1].finished else None
        near = [place for place in places if current and place[0] is current[0]]
        return self._random.choice(near if near and self._random.random() < 0.5 else places)

    def _close_and_open(self) -> None:
        done = [file for file in self._open if all(passage.finished for passage in file.passages)]
        self.finished += done
        self._open = [file for file in self._open if file not in done]
        while len(self._open) < MAX_OPEN_FILES and self._waiting:
            source = self._waiting.pop()
            self._open.append(PartialFile.of(source, self._choose_holes(source.text.split("\n"))))

    def _choose_holes(self, lines: Sequence[str]) -> list[range]:
        """Choose some runs of lines with others between them."""
        share = len(lines) // MAX_PASSAGES
        starts = range(0, len(lines), share) if share > PASSAGE_LINES[1] else [0]
        holes = []
        for begin in starts[: self._passages]:
            max_lines = min(self._random.randint(*PASSAGE_LINES), max(len(lines) // 3, 1))
            first = begin + 1 + self._random.randrange(max(min(share, len(lines) - begin) - max_lines - 2, 1))
            last = min(first + max_lines, len(lines))
            while last > first and not lines[last - 1].strip():
                last -= 1
            if last > first:
                holes.append(range(first, last))
        return holes


def type_again_and_again(sources: Sequence[SourceFile], seed: int) -> Iterator[KeyPress]:
    """Yield keys without end: all files again and again, one passage of each at a time."""
    for number in count(seed):
        yield from Typist(sources, number, passages=1)


def _is_long_enough(source: SourceFile) -> bool:
    lines = source.text.split("\n")
    return len(lines) >= 2 * PASSAGE_LINES[0] and sum(bool(line.strip()) for line in lines) > len(lines) / 2


@dataclass
class PartialFile:
    """A file that lacks some passages until they are written.

    Attributes:
        source: the whole file.
        pieces: the file in order: present text, and passages to be written.
    """

    source: SourceFile
    pieces: Sequence[str | Passage]

    @classmethod
    def of(cls, source: SourceFile, holes: Iterable[range], *, ends_with_hole: bool = False) -> PartialFile:
        """Make a file without some of its lines.

        Args:
            source: the file.
            holes: lines to be written, from 0, in order and not touching. Never the first line; the last of a hole is
                not blank.
            ends_with_hole: whether nothing follows the last hole.
        """
        lines = source.text.split("\n")
        unit, comment = (
            find_indentation_unit(lines),
            "#" if source.language in HASH_COMMENT_LANGUAGES else "//",
        )
        pieces: list[str | Passage] = []
        start = 0
        for hole in holes:
            pieces.append(("\n" if start else "") + "\n".join(lines[start : hole.start]))
            target = "\n" + "\n".join(lines[hole.start : hole.stop])
            pieces.append(Passage(target, lines[hole.start - 1], unit, comment))
            start = hole.stop
        if start < len(lines) and not ends_with_hole:
            pieces.append(("\n" if start else "") + "\n".join(lines[start:]))
        return cls(source, pieces)

    @property
    def passages(self) -> list[Passage]:
        """The passages to be written."""
        return [piece for piece in self.pieces if isinstance(piece, Passage)]

    @property
    def text(self) -> str:
        """The current document."""
        return "".join(
            piece.left + piece.right if isinstance(piece, Passage) else piece for piece in self.pieces
        )

    def get_cursor(self, passage: Passage) -> int:
        """Return the offset of the cursor in `text` while this passage is written."""
        offset = 0
        for piece in self.pieces:
            if piece is passage:
                return offset + len(passage.left)
            offset += len(piece.left) + len(piece.right) if isinstance(piece, Passage) else len(piece)
        raise ValueError("the passage is not in this file")


def find_indentation_unit(lines: Sequence[str]) -> str:
    """Return the most common step by which a line is indented more than the line above it."""
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
