"""Suggestions that the user goes on typing, answered without the model.

What a key, accept-word, accept-line or backspace leaves of a shown suggestion is known already. Editors change
the text right of the cursor too: they put in the closer of a bracket or quote that was typed, and step over it
when it is typed. Accepting the rest gives the same document as accepting the whole suggestion would have.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.reconcile_closers import reconcile
from cg2ls.completion.syntax.unclosed import CLOSERS, QUOTES, unbalanced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.types import Trigger

LOOK = 1024
"""Characters on both sides of the cursor that must be what they were."""

ENTRIES = 16
"""Suggestions kept of one document: those of the last places that one may come back to."""

LEAST_GUESS = 2
MAX_GUESS = 64
"""Characters typed, at least and at most, that must stand in a suggestion to guess on from there."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A suggestion and the place it was made for.

    Attributes:
        offset: of the cursor.
        length: of the document.
        before: up to `LOOK` characters left of the cursor.
        after: up to `LOOK` characters right of it.
        text: the suggestion; empty if there was nothing to show.
        replace_length: characters right of the cursor that it takes the place of.
        trigger: who asked for it.
        logprob: as in `Completion`.
    """

    offset: int
    length: int
    before: str
    after: str
    text: str
    replace_length: int
    trigger: Trigger
    logprob: float

    @classmethod
    def made(
        cls, cursor: Cursor, text: str, replace_length: int, trigger: Trigger, logprob: float
    ) -> Suggestion:
        """A suggestion for a cursor."""
        offset = cursor.offset
        return cls(
            offset=offset,
            length=len(cursor.text),
            before=cursor.text[max(0, offset - LOOK) : offset],
            after=cursor.text[offset : offset + LOOK],
            text=text,
            replace_length=replace_length,
            trigger=trigger,
            logprob=logprob,
        )

    def typed(self, cursor: Cursor) -> str | None:
        """What was typed since at its place; None if the cursor is elsewhere."""
        text, offset = cursor.text, self.offset
        if not offset <= cursor.offset <= offset + 2 * LOOK:
            return None
        if text[max(0, offset - LOOK) : offset] != self.before:
            return None
        return text[offset : cursor.offset]


@dataclass(frozen=True)
class Rest:
    """What is left of a suggestion.

    Attributes:
        text: to show; empty if the suggestion itself was.
        replace_length: characters right of the cursor that it takes the place of.
        logprob: that of the whole suggestion.
    """

    text: str
    replace_length: int
    logprob: float


class TypedThrough:
    """The last suggestions of one document; `find` may be called while another thread adds one."""

    def __init__(self) -> None:
        self._entries: deque[Suggestion] = deque(maxlen=ENTRIES)

    def add(self, suggestion: Suggestion) -> None:
        """Keeps a suggestion; the newest goes before older ones."""
        self._entries.appendleft(suggestion)

    def find(self, cursor: Cursor, trigger: Trigger) -> Rest | None:
        """What is left of a suggestion that the text at the cursor follows; None if there is none.

        What the user asked for answers automatic requests too, but not the other way round: who asks wants
        more than is there.
        """
        return next(self._all(cursor, trigger), None)

    def find_all(self, cursor: Cursor, trigger: Trigger) -> list[Rest]:
        """What is left of every such suggestion, no text twice; the first is what `find` gives."""
        found: dict[str, Rest] = {}
        for rest in self._all(cursor, trigger):
            found.setdefault(rest.text, rest)
        return list(found.values())

    def _all(self, cursor: Cursor, trigger: Trigger) -> Iterator[Rest]:
        for entry in tuple(self._entries):
            if trigger in ("automatic", entry.trigger) and (found := _rest(entry, cursor)):
                yield found

    def guess(self, cursor: Cursor) -> str:
        """What probably comes next where a suggestion does not quite fit any more; "" if nothing is known."""
        for entry in self._entries:
            typed = entry.typed(cursor)
            if typed is None or not entry.text:
                continue
            if entry.text.startswith(typed):
                return entry.text[len(typed) :]
            for start in range(max(0, len(typed) - MAX_GUESS), len(typed) - LEAST_GUESS + 1):
                at = entry.text.find(typed[start:])
                if at >= 0:
                    return entry.text[at + len(typed) - start :]
        return ""


def _rest(entry: Suggestion, cursor: Cursor) -> Rest | None:
    typed = entry.typed(cursor)
    if typed is None or not entry.text.startswith(typed):
        return None
    rest = entry.text[len(typed) :]
    if typed and not rest.strip():
        return None
    grown = len(cursor.text) - entry.length - len(typed)
    if grown < 0:
        return _stepped_over(entry, cursor, typed, rest, -grown)
    closed = cursor.text[cursor.offset : cursor.offset + grown]
    if not _continues(cursor, grown, entry.after) or not _put_in_by_editor(closed, typed):
        return None
    if not closed:
        return Rest(rest, entry.replace_length, entry.logprob)
    return _closed(rest, closed, entry)


def _continues(cursor: Cursor, skipped: int, after: str) -> bool:
    """Whether the text right of the cursor, some characters on, is what it was."""
    start = cursor.offset + skipped
    return cursor.text[start : start + len(after)] == after


def _put_in_by_editor(closed: str, typed: str) -> bool:
    """Whether these characters are closers of what was typed."""
    return len(closed) <= len(typed) and all(char in CLOSERS or char in QUOTES for char in closed)


def _stepped_over(entry: Suggestion, cursor: Cursor, typed: str, rest: str, count: int) -> Rest | None:
    """Closers that the suggestion covers were typed, and the editor stepped over them."""
    stepped = entry.after[:count]
    if count > entry.replace_length or not _continues(cursor, 0, entry.after[count:]):
        return None
    if len(entry.after) < LOOK and cursor.offset + len(entry.after) - count != len(cursor.text):
        return None
    return Rest(rest, entry.replace_length - count, entry.logprob) if stepped in typed else None


def _closed(rest: str, closed: str, entry: Suggestion) -> Rest | None:
    """The rest where the editor has put closers in."""
    if "\n" not in rest and not entry.replace_length:
        text, replace_length = reconcile(rest, closed)
        return Rest(text, replace_length, entry.logprob) if text.strip() else None
    first = rest.partition("\n")[0]
    brackets = sum(char in CLOSERS for char in closed)
    quotes = [char for char in closed if char in QUOTES]
    if len(unbalanced(rest).unopened) < brackets or any(quote not in first for quote in quotes):
        return None
    return Rest(rest, len(closed) + entry.replace_length, entry.logprob)
