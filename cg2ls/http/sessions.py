"""Completion state of the documents that HTTP clients write, found by their text: requests name no document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion import DocumentSession

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine, CompletionOptions
    from cg2ls.http.query import Query

MAX_SESSIONS = 8
"""Documents whose state is kept."""

TAIL_CHARS = 256
"""Characters before the cursor's line by which a document is known again."""


@dataclass(eq=False)
class _Entry:
    """A document: its state, the text before the cursor, and what the client sent along the last time."""

    session: DocumentSession
    query: Query


class Sessions:
    """The documents that were completed last."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def find(self, query: Query, engine: CompletionEngine, options: CompletionOptions) -> DocumentSession:
        """Return the session of the document that a query continues, or a new one.

        Other extra texts, or another number of completions, lead to another answer, which the earlier suggestions of
        a session would hide.

        Args:
            query: the request; its `language` is known.
            engine: the open model.
            options: options of the session.
        """
        for entry in self._entries:
            session, last = entry.session, entry.query
            is_same = session.engine is engine and session.options == options
            wanted = query.language, query.extras, query.count
            if (
                is_same
                and wanted == (session.language, last.extras, last.count)
                and _is_continued(last, query)
            ):
                self._entries.remove(entry)
                break
        else:
            entry = _Entry(DocumentSession(engine, query.language, options), query)
        entry.query = query
        self._entries = [entry, *self._entries[: MAX_SESSIONS - 1]]
        return entry.session

    def clear(self) -> None:
        """Forget every document."""
        self._entries.clear()


def _is_continued(old: Query, new: Query) -> bool:
    """Return whether one text is the other with some lines more or fewer; both begin anywhere in the document."""
    return _tail(old.before) in new.before or _tail(new.before) in old.before


def _tail(before: str) -> str:
    return before[: before.rfind("\n") + 1][-TAIL_CHARS:]
