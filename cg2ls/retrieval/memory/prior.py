"""The engine's prior from memory: evidence from all its parts for one context, and drafts from the longest match."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from cg2ls.engine.request import Support
from cg2ls.retrieval.memory.suffix_segment import DEPTH, following, matched, stored_type
from cg2ls.retrieval.memory.vote_mixture import DOCUMENT, Votes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.retrieval.memory.index import Index
    from cg2ls.retrieval.memory.open_documents import View
    from cg2ls.retrieval.memory.suffix_segment import Neighbours, Tokens
    from cg2ls.retrieval.memory.vote_mixture import Mixture


EACH_SIDE = 32
"""Entries examined before and after a context's own place, in each part."""

IN_DOCUMENT = -1
"""The file of an entry of the document itself."""


class Found(NamedTuple):
    """Entries found in one part.

    Attributes:
        neighbours: the entries.
        sources: source class of each entry, [n].
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
        view: snapshot of the document at the time of the request.
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
        index: index of the files.
        alive: files that count, [files]; None for all.
        sources: source class of each file, [files].
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
    """Votes for the next token, and the origin of each (computed on demand).

    Attributes:
        votes: the votes.
        found: entries by the number of their part.
        voting: number of each vote's entry among them, [n].
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
        parts: parts to search.
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


MIN_MATCH_TOKENS = 3
"""A draft continues a match of at least this many tokens, and is at most as long as the match. Longer matches usually
continue for longer (prompt lookup, Saxena 2023)."""


class MemoryPrior:
    """One request's view of memory; implements `cg2ls.engine.request.Prior`.

    Args:
        parts: parts to search.
        left: tokens of the document before the answer; the last DEPTH count.
        mixture: weights of the votes.
    """

    def __init__(self, parts: Sequence[Part], left: Tokens, mixture: Mixture) -> None:
        self.parts = parts
        self._token = stored_type(left.dtype)
        self._left = left[-DEPTH:][::-1].astype(self._token).tobytes()
        self.mixture = mixture
        self._found: dict[tuple[int, ...], Evidence] = {}

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mix the votes into the next token's log-probabilities; see `Mixture.mix`."""
        return self.mixture.mix(self.evidence(generated).votes, logits)

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """Return the continuation of the longest match, the nearest of the longest first."""
        evidence = self.evidence(generated)
        lengths = np.where(evidence.places >= 0, evidence.votes.lengths, 0)
        if not len(lengths) or lengths.max() < MIN_MATCH_TOKENS:
            return ()
        longest = np.flatnonzero(lengths == lengths.max())
        best = int(longest[evidence.votes.sources[longest].argmin()])
        part = self.parts[int(evidence.parts[best])]
        return part.forward(int(evidence.places[best]), min(most, int(lengths[best])))

    def support(self, generated: Sequence[int], token: int) -> Support:
        """Return the lengths and the number of matches that vote for a token."""
        votes = self.evidence(generated).votes
        agreeing = votes.lengths[votes.tokens == token]
        return Support(
            longest=int(votes.lengths.max(initial=0)),
            agreeing=int(agreeing.max(initial=0)),
            votes=len(agreeing),
        )

    def evidence(self, generated: Sequence[int]) -> Evidence:
        """Search for the votes after these tokens, once."""
        key = tuple(generated[-DEPTH:])
        known = self._found.get(key)
        if known is None:
            context = (np.array(key[::-1], self._token).tobytes() + self._left)[
                : DEPTH * self._token.itemsize
            ]
            known = self._found[key] = gather(self.parts, context)
        return known
