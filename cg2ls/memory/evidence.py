"""What memory finds beside one context: votes, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cg2ls.memory.mixture import DOCUMENT, Votes
from cg2ls.memory.segment import DEPTH, TOKEN, matched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.memory.index import Index
    from cg2ls.memory.live import LiveDocument
    from cg2ls.memory.segment import Neighbours

EACH_SIDE = 32
"""Entries looked at before and behind a context's own place, in each part."""

IN_DOCUMENT = -1
"""The file of an entry of the document itself."""


@dataclass(frozen=True)
class Found:
    """Entries of one part.

    Attributes:
        neighbours: the entries.
        sources: what each counts as, [n].
        files: the part's own number of each entry's file, or IN_DOCUMENT, [n].
    """

    neighbours: Neighbours
    sources: NDArray[np.int64]
    files: NDArray[np.int64]


class Part(Protocol):
    """Something that can be searched."""

    def search(self, context: bytes) -> list[Found]:
        """The entries nearest to a context, given from right to left as TOKEN."""

    def forward(self, place: int, most: int) -> list[int]:
        """Tokens that follow an entry's place; none if that is not known."""

    def file_name(self, file: int, /) -> str:
        """Path of a file, relative to the workspace; "" for the document itself."""


@dataclass(frozen=True)
class DocumentPart:
    """The document being edited.

    Attributes:
        live: its tokens.
        hidden: those of the cursor's own line, which are no evidence for themselves.
    """

    live: LiveDocument
    hidden: range

    def search(self, context: bytes) -> list[Found]:
        """The document's own entries."""
        found = self.live.neighbours(context, EACH_SIDE, self.hidden)
        return [
            Found(each, _DOCUMENT[: len(each.following)], _IN_DOCUMENT[: len(each.following)])
            for each in found
            if len(each.following)
        ]

    def forward(self, place: int, most: int) -> list[int]:
        """Tokens after a place of the document as it was sorted last."""
        return self.live.forward(place, most)

    def file_name(self, _: int, /) -> str:
        """The document needs no name."""
        return ""


@dataclass(frozen=True)
class IndexPart:
    """The workspace's other files.

    Attributes:
        index: of them.
        dead: files that do not count, [files].
        sources: what each file counts as, [files].
    """

    index: Index
    dead: NDArray[np.bool_]
    sources: NDArray[np.int64]

    def search(self, context: bytes) -> list[Found]:
        """Entries of files that count."""
        if not self.index.files:
            return []
        neighbours, files = self.index.neighbours(context, EACH_SIDE, self.dead)
        return [Found(neighbours, self.sources[files], files)]

    def forward(self, place: int, most: int) -> list[int]:
        """Tokens after a place of the index."""
        return self.index.forward(place, most)

    def file_name(self, file: int, /) -> str:
        """Path of a file of the index."""
        return self.index.files[file].path


@dataclass(frozen=True)
class Evidence:
    """Votes for the next token, and where each comes from, which is put together when it is asked for.

    Attributes:
        votes: what was found.
        found: by the number of the part it is from.
        kept: which of these entries vote, [entries].
    """

    votes: Votes
    found: Sequence[tuple[int, Found]]
    kept: NDArray[np.bool_]

    @cached_property
    def parts(self) -> NDArray[np.int64]:
        """The part each vote is from, by its number, [n]."""
        numbers, counts = [number for number, _ in self.found], [len(each.files) for _, each in self.found]
        return np.repeat(np.array(numbers, np.int64), counts)[self.kept]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Each vote's place in its part, -1 if it has none, [n]."""
        return _joined([each.neighbours.places for _, each in self.found])[self.kept]

    @cached_property
    def files(self) -> NDArray[np.int64]:
        """Each vote's file in its part, [n]."""
        return _joined([each.files for _, each in self.found])[self.kept]


_DOCUMENT = np.full(2 * EACH_SIDE, DOCUMENT)
_IN_DOCUMENT = np.full(2 * EACH_SIDE, IN_DOCUMENT)
_NONE = np.zeros(0, np.int64)
NOTHING = Evidence(Votes(_NONE, _NONE, _NONE), (), np.zeros(0, np.bool_))


def gather(parts: Sequence[Part], context: NDArray[np.uint16]) -> Evidence:
    """Everything found beside a context.

    Args:
        parts: where to look.
        context: the tokens in front of the one in question, DEPTH at most.
    """
    backwards = context[::-1][:DEPTH].astype(TOKEN)
    key = backwards.tobytes()
    found = [(number, each) for number, part in enumerate(parts) for each in part.search(key)]
    if not found or not key:
        return NOTHING
    lengths = matched(np.concatenate([each.neighbours.windows for _, each in found]), backwards)
    tokens = _joined([each.neighbours.following for _, each in found])
    sources = _joined([each.sources for _, each in found])
    kept = lengths > 0
    if not kept.all():
        tokens, lengths, sources = tokens[kept], lengths[kept], sources[kept]
    return Evidence(Votes(tokens, lengths, sources), found, kept)


def _joined(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([_NONE, *arrays])
