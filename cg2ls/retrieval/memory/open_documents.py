"""Documents open in the editor: the one being completed, and unsaved text of the others."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.retrieval.memory.index import EMPTY, Index, IndexedFile
from cg2ls.retrieval.memory.suffix_segment import (
    DEPTH,
    NARROW,
    Neighbours,
    Segment,
    find_numbers,
    stored_type,
)
from cg2ls.retrieval.memory.token_lines import TokenLines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import RLock

    from numpy.typing import NDArray

    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.retrieval.memory.suffix_segment import Tokens


OPEN_DOCUMENTS = 16
"""Maximum number of live documents; the least recently used one is dropped."""

LARGE = 200_000
"""Maximum characters of a document that is indexed at once; a larger one waits for `opened`."""

MAX_UNSAVED_TOKENS = 100_000
"""Tokens of other documents' unsaved text, which are sorted again when one of them changes, in at most 25 ms."""


class OpenDocuments:
    """Live documents by path.

    Args:
        tokenizer: the model's.
        lock: locked during every call, except while `settle` and `opened` do slow work.
    """

    def __init__(self, tokenizer: CodeTokenizer, lock: RLock) -> None:
        self._encode = tokenizer.encode
        self._separator = tokenizer.special.end_of_text
        self._numbers = find_numbers(tokenizer.special.vocab_size)
        self._lock = lock
        self._live: OrderedDict[str, LiveDocument] = OrderedDict()
        self._opening: set[str] = set()
        self._others: Mapping[str, str] = {}
        self._unsaved = EMPTY

    def get(self, path: str, text: str) -> LiveDocument | None:
        """Return the document with this text; None if it is large and not indexed yet."""
        live = self._live.pop(path, None)
        if live is None:
            if len(text) > LARGE:
                return None
            live = LiveDocument(self._encode, self._separator, self._numbers)
        live.update(text)
        self._keep(path, live)
        return live

    def unsaved(
        self,
        others: Mapping[str, str],
        saved: Callable[[str], Tokens | None],
        may_read: Callable[[str, str], bool],
    ) -> Index:
        """Return an index of the documents whose text differs from the one on disk.

        Args:
            others: texts by path.
            saved: the tokens that the index has of a file, None if none.
            may_read: whether a document's text may take part, by its path and text.
        """
        if others != self._others:
            self._unsaved = self._read_unsaved(others, saved, may_read)
            self._others = dict(others)
        return self._unsaved

    def saved(self) -> None:
        """Record that files on disk changed, so that unsaved text is compared again."""
        self._others = {}

    def must_open(self, path: str, text: str) -> bool:
        """Return, once per document, whether it is new and so large that `opened` should index it."""
        wanted = len(text) > LARGE and path not in self._live and path not in self._opening
        if wanted:
            self._opening.add(path)
        return wanted

    def opened(self, path: str, text: str) -> None:
        """Index a document; slow for a large one, for a background thread."""
        live = LiveDocument(self._encode, self._separator, self._numbers)
        live.update(text)
        with self._lock:
            self._opening.discard(path)
            self._keep(path, live)

    def closed(self, path: str) -> None:
        """Forget a document."""
        self._live.pop(path, None)

    def settle(self) -> None:
        """Sort documents again that changed much since the last time; for a background thread."""
        with self._lock:
            long = [live for live in self._live.values() if live.changed_entries >= MAX_CHANGED_ENTRIES]
        for live in long:
            with self._lock:
                tokens = live.lines.tokens
            segment = Segment.of([tokens], self._separator)
            with self._lock:
                if live.lines.tokens is tokens:
                    live.adopt(segment)

    def _keep(self, path: str, live: LiveDocument) -> None:
        self._live[path] = live
        while len(self._live) > OPEN_DOCUMENTS:
            self._live.popitem(last=False)

    def _read_unsaved(
        self,
        others: Mapping[str, str],
        saved: Callable[[str], Tokens | None],
        may_read: Callable[[str, str], bool],
    ) -> Index:
        files: list[IndexedFile] = []
        texts: list[Tokens] = []
        room = MAX_UNSAVED_TOKENS
        for path, text in list(others.items())[: OPEN_DOCUMENTS - 1]:
            live = self.get(path, text) if may_read(path, text) else None
            if live is None or np.array_equal(live.lines.tokens, _or_none(saved(path))):
                continue
            room -= len(live.lines.tokens)
            if room < 0:
                break
            files.append(IndexedFile(path, 0, 0, len(live.lines.tokens)))
            texts.append(live.lines.tokens)
        return Index(files, Segment.of(texts, self._separator)) if files else EMPTY


def _or_none(tokens: Tokens | None) -> Tokens:
    return np.zeros(0, np.uint16) if tokens is None else tokens


MAX_CHANGED_ENTRIES = 4096
"""The segment is sorted again when more entries changed."""

_FIRST = np.array([DEPTH, *range(DEPTH)])
"""Columns of an entry, in the order of `Neighbours.rows`."""


@dataclass(frozen=True)
class View:
    """Immutable snapshot of a document.

    Attributes:
        segment: tokens of the document as they were sorted last, one file.
        alive: mask of the entries of the segment that are still valid, by their place, [tokens + 1].
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
            each_side: number of entries before and after the context's own place.
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
        """Return the tokens of the segment from a place on."""
        return [int(token) for token in self.segment.span(max(0, place - max_tokens), place)[::-1]]


class LiveDocument:
    """Searchable tokens of a document that is being edited: a sorted segment, and a short sorted list of changes.

    An edit changes the contexts of its own tokens and of the DEPTH tokens after it. Their old entries are removed from
    the segment, and their new ones are inserted into the list. When the list grows long, a background thread sorts the
    segment again.

    Not safe for threads; `Memory` uses a lock.

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
