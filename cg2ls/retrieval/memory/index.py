"""Index of a workspace's files of one language: a sorted segment, and the file of each entry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.retrieval.memory.suffix_segment import DEPTH, Neighbours, Segment
from cg2ls.retrieval.memory.vote_mixture import NEAR, WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from cg2ls.retrieval.memory.suffix_segment import Tokens

MAX_REACH = 1024
"""Maximum number of entries examined on each side, if many of them do not count."""


@dataclass(frozen=True)
class IndexedFile:
    """One file of an index.

    Attributes:
        path: path relative to the workspace, with slashes.
        modified: time stamp of the file when it was read, in nanoseconds.
        size: size of the file then, in bytes.
        tokens: number of tokens; 0 for a file that was refused, so that it is not read again.
    """

    path: str
    modified: int
    size: int
    tokens: int


class Index:
    """A segment and its files; immutable, so that one thread may search it while another builds the next.

    Args:
        files: files in the segment's order.
        segment: segment of their tokens.
    """

    def __init__(self, files: Sequence[IndexedFile], segment: Segment) -> None:
        self.files = files
        self.segment = segment
        self._ends = np.cumsum([file.tokens + 1 for file in files], dtype=np.int64)
        folders: dict[str, int] = {}
        self._numbers = {file.path: number for number, file in enumerate(files)}
        self._folder_of = np.array(
            [folders.setdefault(folder_of(file.path), len(folders)) for file in files], np.int64
        )
        self._folders = folders

    @cached_property
    def tokens(self) -> int:
        """Tokens of all files."""
        return sum(file.tokens for file in self.files)

    def tokens_of(self, path: str) -> Tokens | None:
        """Return a file's tokens; None if the index has no such file."""
        number = self._numbers.get(path)
        if number is None:
            return None
        end = int(self._ends[number]) - 1
        backwards = self.segment.span(end - self.files[number].tokens, end)
        return backwards[::-1].astype(self.segment.numbers)

    def known(self, path: str) -> IndexedFile | None:
        """Return the record of a file; None if the index has no such file."""
        number = self._numbers.get(path)
        return None if number is None else self.files[number]

    def alive(self, dead: Collection[str]) -> NDArray[np.bool_] | None:
        """Return a mask of the files that count, without those of some paths, [files]; None if all count."""
        numbers = [self._numbers[path] for path in dead if path in self._numbers]
        if not numbers:
            return None
        mask = np.ones(len(self.files), np.bool_)
        mask[numbers] = False
        return mask

    def sources(self, folder: str) -> NDArray[np.int64]:
        """Return NEAR for files directly in a folder and WORKSPACE for all others, [files]."""
        return np.where(self._folder_of == self._folders.get(folder, -1), NEAR, WORKSPACE)

    def neighbours(
        self, context: bytes, each_side: int, alive: NDArray[np.bool_] | None
    ) -> tuple[Neighbours, NDArray[np.int64]]:
        """Return the entries nearest to a context, and the file of each.

        Args:
            context: tokens from right to left, of the stored type.
            each_side: number of entries before and after the context's own place.
            alive: files that count, [files]; None for all. If many entries do not, more distant ones are examined.
        """
        at, reach = self.segment.search(context), each_side
        while True:
            found = self.segment.around(at, reach)
            files = self._ends.searchsorted(found.places, side="right")
            counts = found.counts if alive is None else found.counts & alive[files]
            if np.count_nonzero(counts) >= each_side or reach >= min(MAX_REACH, len(self.segment)):
                break
            reach *= 4
        found = Neighbours(found.rows, found.places, counts)
        if reach == each_side:
            return found, files
        rows = np.flatnonzero(counts)
        middle = int(np.searchsorted(rows, min(at, reach)))
        rows = rows[max(0, middle - each_side) : middle + each_side]
        return found.take(rows), files[rows]

    def forward(self, place: int, max_tokens: int) -> list[int]:
        """Return the tokens that follow a place in the segment, up to the end of its file."""
        number = int(np.searchsorted(self._ends, place, side="right"))
        start = int(self._ends[number - 1]) if number else 0
        return [int(token) for token in self.segment.span(max(start, place - max_tokens), place)[::-1]]


def folder_of(path: str) -> str:
    """Return the folder of a relative path with slashes; "" for the workspace itself."""
    return path.rpartition("/")[0]


EMPTY = Index((), Segment(b"\xff" * 2 * DEPTH, b"", 0xFFFF))
"""The index of a workspace without files."""
