"""One open document as memory sees it: a sorted segment, and a short sorted list of what changed since.

An edit changes the contexts of its own tokens and of the DEPTH tokens behind it. Their old entries are struck
out of the segment, their new ones put in their place in the list. When the list grows long, the segment is
sorted anew, away from whoever waits.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.memory.lines import TokenLines
from cg2ls.memory.segment import DEPTH, TOKEN, Neighbours, Segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LONG = 4096
"""Changed entries from which on sorting anew is worth it."""

Entry = tuple[bytes, int, int]
"""A context from right to left, the token after it, and a number no other entry has."""


class LiveDocument:
    """The tokens of a document that is being edited.

    Not safe for threads; `Memory` holds a lock.

    Args:
        encode: the tokenizer.
        separator: the token that stands for a document's start.
    """

    def __init__(self, encode: Callable[[str], list[int]], separator: int) -> None:
        self.lines = TokenLines(encode)
        self._separator = separator
        self._segment = Segment.of([], separator)
        self._alive: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._origin: NDArray[np.int32] = np.zeros(0, np.int32)
        self._changed: list[Entry] = []
        self._next_number = 1

    @property
    def changed_entries(self) -> int:
        """Entries in the short list."""
        return len(self._changed)

    def update(self, text: str) -> None:
        r"""Takes a new version of the text in, with `\n` line ends."""
        old = self.lines.tokens
        edit = self.lines.update(text)
        if edit is None:
            return
        start, end, fresh = edit
        if len(fresh) + end - start > LONG:
            self.adopt(self.sorted_anew())
            return
        reach = min(end + DEPTH, len(old))
        self._strike(old, range(start, reach))
        written = range(start, reach - end + start + len(fresh))
        numbers = np.arange(self._next_number, self._next_number + len(written), dtype=np.int32)
        self._next_number += len(written)
        self._origin = np.concatenate([self._origin[:start], -numbers, self._origin[reach:]])
        contexts = self._contexts(self.lines.tokens, written)
        tokens = self.lines.tokens[written.start : written.stop].tolist()
        for entry in zip(contexts, tokens, numbers.tolist(), strict=True):
            insort(self._changed, entry)

    def sorted_anew(self) -> Segment:
        """A segment of the document as it is; slow, for `adopt` if the text has not changed meanwhile."""
        return Segment.of([self.lines.tokens], self._separator)

    def adopt(self, segment: Segment) -> None:
        """Replaces the segment by one sorted from the present tokens, and empties the list."""
        count = len(self.lines.tokens)
        self._segment = segment
        self._alive = np.ones(count + 1, np.bool_)
        self._origin = np.arange(count, dtype=np.int32)
        self._changed = []

    def neighbours(self, context: bytes, each_side: int, hidden: range) -> list[Neighbours]:
        """Entries nearest to a context: those of the segment, and those that changed lately.

        `places` of the neighbours count the tokens of the document as it was when the segment was sorted; in
        the second part they are -1.

        Args:
            context: tokens from right to left, of type TOKEN.
            each_side: how many before and how many behind the context's own place.
            hidden: tokens of the document whose entries do not count.
        """
        origins = self._origin[hidden.start : hidden.stop]
        return [
            self._of_segment(context, each_side, origins[origins >= 0]),
            self._of_changed(context, each_side, frozenset((-origins[origins < 0]).tolist())),
        ]

    def forward(self, place: int, most: int) -> list[int]:
        """Tokens from a place on, of the document as it was when the segment was sorted."""
        end = len(self._segment) - 1 - place
        return [int(token) for token in self._segment.span(max(0, end - most), end)[::-1]]

    def _of_segment(self, context: bytes, each_side: int, hidden: NDArray[np.int32]) -> Neighbours:
        found = self._segment.neighbours(context, each_side)
        tokens = len(self._segment) - 1 - found.places  # a place counts from the document's end
        kept = self._alive[tokens]
        if len(hidden):  # origins grow with the document's tokens, so what lies between two is hidden too
            kept &= (tokens < hidden.min()) | (tokens > hidden.max())
        return Neighbours(found.windows[kept], found.following[kept], tokens[kept])

    def _of_changed(self, context: bytes, each_side: int, hidden: frozenset[int]) -> Neighbours:
        at = bisect_left(self._changed, (context,))
        near = self._changed[max(0, at - each_side) : at + each_side]
        near = [entry for entry in near if entry[2] not in hidden]
        windows = np.frombuffer(b"".join([entry[0] for entry in near]), np.uint16).reshape(len(near), DEPTH)
        return Neighbours(
            windows, np.array([entry[1] for entry in near], np.int64), np.full(len(near), -1, np.int64)
        )

    def _strike(self, old: NDArray[np.uint16], entries: range) -> None:
        """Takes entries of the document as it was out of the segment or the list."""
        origins = self._origin[entries.start : entries.stop]
        self._alive[origins[origins >= 0]] = False
        if (origins >= 0).all():
            return
        tokens = old[entries.start : entries.stop].tolist()
        for context, token, origin in zip(
            self._contexts(old, entries), tokens, origins.tolist(), strict=True
        ):
            if origin < 0:
                del self._changed[bisect_left(self._changed, (context, token, -origin))]

    def _contexts(self, tokens: NDArray[np.uint16], entries: range) -> list[bytes]:
        """What stands in front of each entry, from right to left, the document's start padded."""
        left = tokens[max(0, entries.start - DEPTH) : entries.stop]
        padding = np.full(max(0, DEPTH - entries.start), self._separator, TOKEN)
        text = np.concatenate([left[::-1].astype(TOKEN), padding]).astype(TOKEN).tobytes()
        ends = range(2 * len(entries), 0, -2)
        return [text[end : end + 2 * DEPTH] for end in ends]
