"""Search all parts of memory for one context: votes, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from cg2ls.retrieval.memory.suffix_segment import following, matched
from cg2ls.retrieval.memory.vote_mixture import DOCUMENT, Votes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.retrieval.memory.index import Index
    from cg2ls.retrieval.memory.open_documents import View
    from cg2ls.retrieval.memory.suffix_segment import Neighbours

EACH_SIDE = 32
"""Entries examined before and after a context's own place, in each part."""

IN_DOCUMENT = -1
"""The file of an entry of the document itself."""


class Found(NamedTuple):
    """Entries found in one part.

    Attributes:
        neighbours: the entries.
        sources: what each counts as, [n].
        files: the part's own number of each entry's file, or IN_DOCUMENT, [n].
    """

    neighbours: Neighbours
    sources: NDArray[np.int64]
    files: NDArray[np.int64]


class Part(Protocol):
    """A searchable part of memory."""

    def search(self, context: bytes) -> list[Found]:
        """Return the entries nearest to a context, given from right to left in the stored type."""

    def forward(self, place: int, max_tokens: int) -> list[int]:
        """Return the tokens that follow an entry's place; none if the place is unknown."""

    def file_name(self, file: int, /) -> str:
        """Return a file's path relative to the workspace; "" for the document itself."""


@dataclass(frozen=True)
class DocumentPart:
    """The document being edited, without the cursor's own line.

    Attributes:
        view: its snapshot at the time of the request.
    """

    view: View

    def search(self, context: bytes) -> list[Found]:
        """Return the document's own entries."""
        found = self.view.neighbours(context, EACH_SIDE)
        return [Found(each, _DOCUMENT[: len(each.rows)], _IN_DOCUMENT[: len(each.rows)]) for each in found]

    def forward(self, place: int, max_tokens: int) -> list[int]:
        """Return the tokens after a place of the document as it was last sorted."""
        return self.view.forward(place, max_tokens)

    def file_name(self, _: int, /) -> str:
        """Return "": the document needs no name."""
        return ""


@dataclass(frozen=True)
class IndexPart:
    """The workspace's other files.

    Attributes:
        index: of them.
        alive: files that count, [files]; None for all.
        sources: what each file counts as, [files].
    """

    index: Index
    alive: NDArray[np.bool_] | None
    sources: NDArray[np.int64]

    def search(self, context: bytes) -> list[Found]:
        """Return entries of the files that count."""
        if not self.index.files:
            return []
        neighbours, files = self.index.neighbours(context, EACH_SIDE, self.alive)
        return [Found(neighbours, self.sources[files], files)]

    def forward(self, place: int, max_tokens: int) -> list[int]:
        """Return the tokens after a place of the index."""
        return self.index.forward(place, max_tokens)

    def file_name(self, file: int, /) -> str:
        """Return the path of a file of the index."""
        return self.index.files[file].path


@dataclass(eq=False)  # not frozen, which takes a microsecond a field
class Evidence:
    """Votes for the next token, and where each comes from (computed on demand).

    Attributes:
        votes: what was found.
        found: by the number of the part it is from.
        voting: which of these entries each vote is, [n].
    """

    votes: Votes
    found: Sequence[tuple[int, Found]]
    voting: NDArray[np.int64]

    @cached_property
    def parts(self) -> NDArray[np.int64]:
        """The part each vote is from, by its number, [n]."""
        numbers, counts = [number for number, _ in self.found], [len(each.files) for _, each in self.found]
        return np.repeat(np.array(numbers, np.int64), counts)[self.voting]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Each vote's place in its part, -1 if it has none, [n]."""
        return np.concatenate([_NONE, *(each.neighbours.places for _, each in self.found)])[self.voting]

    @cached_property
    def files(self) -> NDArray[np.int64]:
        """Each vote's file in its part, [n]."""
        return np.concatenate([_NONE, *(each.files for _, each in self.found)])[self.voting]


_DOCUMENT = np.full(2 * EACH_SIDE, DOCUMENT)
_IN_DOCUMENT = np.full(2 * EACH_SIDE, IN_DOCUMENT)
_NONE = np.zeros(0, np.int64)
NOTHING = Evidence(Votes(_NONE, _NONE, _NONE), (), _NONE)


def gather(parts: Sequence[Part], context: bytes) -> Evidence:
    """Collect the entries nearest to a context from all parts.

    Args:
        parts: where to look.
        context: the tokens before the one to predict from right to left, in the stored type, at most DEPTH.
    """
    found = [(number, each) for number, part in enumerate(parts) for each in part.search(context)]
    if not found or not context:
        return NOTHING
    rows = np.concatenate([each.neighbours.rows for _, each in found])
    lengths = matched(rows, context)
    # Sorted by length, so that the last vote of a token is its longest; numbers of one byte are sorted fastest.
    counting = lengths.astype(np.int8)
    counting *= np.concatenate([each.neighbours.counts for _, each in found]).view(np.int8)
    voting = counting.argsort(kind="stable")[len(counting) - np.count_nonzero(counting) :]
    sources = np.concatenate([each.sources for _, each in found])
    return Evidence(Votes(following(rows)[voting], lengths[voting], sources[voting]), found, voting)
