"""One open document: a sorted segment, and a short sorted list of later changes.

An edit changes the contexts of its own tokens and of the DEPTH tokens after it. Their old entries are removed from
the segment, and their new ones are inserted into the list. When the list grows long, a background thread sorts the
segment again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.retrieval.memory.suffix_segment import DEPTH, NARROW, Neighbours, Segment, stored_type
from cg2ls.retrieval.memory.token_lines import TokenLines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cg2ls.retrieval.memory.suffix_segment import Tokens

MAX_CHANGED_ENTRIES = 4096
"""The segment is sorted again when more entries changed."""

_FIRST = np.array([DEPTH, *range(DEPTH)])
"""Columns of an entry, in the order of `Neighbours.rows`."""


@dataclass(frozen=True)
class View:
    """Immutable snapshot of a document.

    Attributes:
        segment: its tokens as they were sorted last, one file.
        alive: which entries of the segment are still valid, by their place, [tokens + 1].
        changed: entries that changed since, sorted. An entry is the bytes of its context, from right to left, and then
            the token that followed; equal entries are interchangeable.
        numbers: type of the tokens.
    """

    segment: Segment
    alive: NDArray[np.bool_]
    changed: Sequence[bytes]
    numbers: np.dtype[Any] = NARROW

    @cached_property
    def _all_changed(self) -> Neighbours:
        count = len(self.changed)
        table = np.frombuffer(b"".join(self.changed), self.numbers).reshape(count, 1 + DEPTH)
        return Neighbours(table.take(_FIRST, axis=1), np.full(count, -1), np.ones(count, np.bool_))

    def neighbours(self, context: bytes, each_side: int) -> list[Neighbours]:
        """Return the entries nearest to a context; recently changed ones have the place -1.

        Args:
            context: tokens from right to left, of the stored type.
            each_side: how many before and how many after the context's own place.
        """
        found = []
        if len(self.segment):
            near = self.segment.neighbours(context, each_side)
            found.append(Neighbours(near.rows, near.places, near.counts & self.alive[near.places]))
        if self.changed:
            at = bisect_left(self.changed, context)
            rows, places, counts = self._all_changed
            near_by = slice(max(0, at - each_side), at + each_side)
            found.append(Neighbours(rows[near_by], places[near_by], counts[near_by]))
        return found

    def forward(self, place: int, max_tokens: int) -> list[int]:
        """Return the tokens from a place of the segment on."""
        return [int(token) for token in self.segment.span(max(0, place - max_tokens), place)[::-1]]


class LiveDocument:
    """Searchable tokens of a document that is being edited.

    Not safe for threads; `Memory` holds a lock.

    Args:
        encode: the tokenizer.
        separator: the token that represents a document's start.
        numbers: type of the tokens (`suffix_segment.find_numbers`).
    """

    def __init__(
        self, encode: Callable[[str], list[int]], separator: int, numbers: np.dtype[Any] = NARROW
    ) -> None:
        self.lines = TokenLines(encode, numbers)
        self._separator = separator
        self._numbers = numbers
        self._segment = Segment.of([], separator)
        self._alive: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._origin: NDArray[np.int32] = np.zeros(0, np.int32)
        self._changed: list[bytes] = []

    @property
    def changed_entries(self) -> int:
        """Entries in the short list."""
        return len(self._changed)

    def update(self, text: str) -> None:
        r"""Update to a new version of the text, with `\n` line ends."""
        old = self.lines.tokens
        edit = self.lines.update(text)
        if edit is None:
            return
        start, end, fresh = edit
        if len(fresh) + end - start > MAX_CHANGED_ENTRIES:
            self.adopt(self.sort_again())
            return
        reach = min(end + DEPTH, len(old))
        self._strike(old, range(start, reach), self._alive, self._changed)
        written = range(start, reach - end + start + len(fresh))
        unsorted = np.full(len(written), -1, np.int32)
        self._origin = np.concatenate([self._origin[:start], unsorted, self._origin[reach:]])
        for entry in self._entries(self.lines.tokens, written):
            insort(self._changed, entry)

    def sort_again(self) -> Segment:
        """Sort the present tokens into a new segment for `adopt`; slow."""
        return Segment.of([self.lines.tokens], self._separator)

    def adopt(self, segment: Segment) -> None:
        """Replace the segment by one sorted from the present tokens, and empty the list."""
        count = len(self.lines.tokens)
        self._segment = segment
        self._alive = np.ones(count + 1, np.bool_)
        self._origin = np.arange(count, dtype=np.int32)
        self._changed = []

    def view(self, hidden: range) -> View:
        """Return a snapshot of the document.

        Args:
            hidden: tokens of the document whose entries do not count.
        """
        alive, changed = self._alive.copy(), self._changed.copy()
        self._strike(self.lines.tokens, hidden, alive, changed)
        return View(self._segment, alive, changed, self._numbers)

    def _strike(self, tokens: Tokens, entries: range, alive: NDArray[np.bool_], changed: list[bytes]) -> None:
        """Mark entries of the document as removed."""
        origins = self._origin[entries.start : entries.stop]
        alive[len(self._segment) - 1 - origins[origins >= 0]] = False  # a place counts from the text's end
        if (origins >= 0).all():
            return
        for entry, origin in zip(self._entries(tokens, entries), origins.tolist(), strict=True):
            if origin < 0:
                del changed[bisect_left(changed, entry)]

    def _entries(self, tokens: Tokens, entries: range) -> list[bytes]:
        """Return each token's preceding tokens from right to left, padded at the start, and the token itself."""
        left = tokens[max(0, entries.start - DEPTH) : entries.stop]
        token = stored_type(self._numbers)
        padding = np.full(max(0, DEPTH - entries.start), self._separator, token)
        text = np.concatenate([left[::-1].astype(token), padding]).astype(token).tobytes()
        size, context = token.itemsize, DEPTH * token.itemsize
        ends = range(size * len(entries), 0, -size)
        return [text[end : end + context] + text[end - size : end] for end in ends]
