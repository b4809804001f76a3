"""Documents open in the editor: the one being completed, and unsaved text of the others."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.retrieval.memory.index import EMPTY, Index, IndexedFile
from cg2ls.retrieval.memory.live_document import MAX_CHANGED_ENTRIES, LiveDocument
from cg2ls.retrieval.memory.suffix_segment import Segment, find_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import RLock

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
        lock: held in every call, except while `settle` and `opened` do slow work.
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
        """Sort documents again that changed a lot since the last time; for a background thread."""
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
