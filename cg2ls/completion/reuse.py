"""Answers without the model: suggestions that the user continues to type, and speculation on what comes next.

After a key, accept-word, accept-line or backspace, the remaining part of a suggestion is known. Editors also change the
text after the cursor: they insert the closer of a typed bracket or quote, and step over it when the user types it.
Accepting the remaining part gives the same document as accepting the whole suggestion would have given.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rest_of_line import reconcile
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.syntax.unclosed import CLOSERS, QUOTES, find_unbalanced
from cg2ls.completion.trigger import opens_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.types import Trigger


TYPED_THROUGH = "typed_through"
"""Name in `disabled_rules`; without it the model runs at every key."""

MATCH_WINDOW_CHARS = 1024
"""Characters on both sides of the cursor that must be unchanged."""

MAX_SUGGESTIONS = 16
"""Suggestions kept per document: those of the last places, to which the user may return."""

MIN_HINT_CHARS = 2
MAX_HINT_CHARS = 64
"""Range of the number of typed characters that must occur in a suggestion for the rest to become a draft hint."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A suggestion and the place it was made for.

    Attributes:
        offset: of the cursor.
        length: of the document.
        before: up to `MATCH_WINDOW_CHARS` characters before the cursor.
        after: up to `MATCH_WINDOW_CHARS` characters after it.
        text: the suggestion; empty if there was nothing to show.
        replace_length: number of characters after the cursor that it replaces.
        trigger: who asked for it.
        logprob: as in `Completion`.
        is_ahead: whether nobody has asked for it yet; it then answers no automatic request.
    """

    offset: int
    length: int
    before: str
    after: str
    text: str
    replace_length: int
    trigger: Trigger
    logprob: float
    is_ahead: bool = False

    @classmethod
    def at(
        cls, cursor: Cursor, text: str, replace_length: int, trigger: Trigger, logprob: float
    ) -> Suggestion:
        """Return the suggestion of a text at a cursor."""
        offset = cursor.offset
        return cls(
            offset=offset,
            length=len(cursor.text),
            before=cursor.text[max(0, offset - MATCH_WINDOW_CHARS) : offset],
            after=cursor.text[offset : offset + MATCH_WINDOW_CHARS],
            text=text,
            replace_length=replace_length,
            trigger=trigger,
            logprob=logprob,
        )

    def answers(self, trigger: Trigger) -> bool:
        """Return whether it may answer such a request."""
        return not self.is_ahead if trigger == "automatic" else self.trigger == trigger

    def find_typed(self, cursor: Cursor) -> str | None:
        """Return the text typed since then at the suggestion's place; None if the cursor is elsewhere."""
        text, offset = cursor.text, self.offset
        if not offset <= cursor.offset <= offset + 2 * MATCH_WINDOW_CHARS:
            return None
        if text[max(0, offset - MATCH_WINDOW_CHARS) : offset] != self.before:
            return None
        return text[offset : cursor.offset]


@dataclass(frozen=True)
class RemainingSuggestion:
    """The part of a suggestion that is not typed yet.

    Attributes:
        text: text to show; empty if the suggestion itself was empty.
        replace_length: number of characters after the cursor that it replaces.
        logprob: that of the whole suggestion.
    """

    text: str
    replace_length: int
    logprob: float


class TypedThrough:
    """The last suggestions of one document; `find` may run while another thread adds one."""

    def __init__(self) -> None:
        self._suggestions: deque[Suggestion] = deque(maxlen=MAX_SUGGESTIONS)

    def add(self, suggestion: Suggestion) -> None:
        """Add a suggestion; newer ones come before older ones."""
        self._suggestions.appendleft(suggestion)

    def find(self, cursor: Cursor, trigger: Trigger, count: int = 1) -> list[RemainingSuggestion]:
        """Return what remains of suggestions that the text at the cursor follows, the newest first, each text once.

        Suggestions that the user asked for also answer automatic requests. The reverse does not hold: a user who
        asks wants more than what is already shown.

        Args:
            cursor: place where the text is shown.
            trigger: who asks.
            count: maximum number.
        """
        found: dict[str, RemainingSuggestion] = {}
        for suggestion in tuple(self._suggestions):
            if len(found) == count:
                break
            if suggestion.answers(trigger) and (remaining := _find_remaining(suggestion, cursor)):
                found.setdefault(remaining.text, remaining)
        return list(found.values())

    def find_draft_hint(self, cursor: Cursor) -> str:
        """Return the text that probably follows, from a suggestion that no longer fits exactly; "" if unknown."""
        for suggestion in self._suggestions:
            typed = suggestion.find_typed(cursor)
            if typed is None or not suggestion.text:
                continue
            if suggestion.text.startswith(typed):
                return suggestion.text[len(typed) :]
            for start in range(max(0, len(typed) - MAX_HINT_CHARS), len(typed) - MIN_HINT_CHARS + 1):
                at = suggestion.text.find(typed[start:])
                if at >= 0:
                    return suggestion.text[at + len(typed) - start :]
        return ""


def _find_remaining(suggestion: Suggestion, cursor: Cursor) -> RemainingSuggestion | None:
    typed = suggestion.find_typed(cursor)
    if typed is None or not suggestion.text.startswith(typed):
        return None
    rest = suggestion.text[len(typed) :]
    if typed and not rest.strip():
        return None
    growth = len(cursor.text) - suggestion.length - len(typed)
    if growth < 0:
        return _remaining_after_step_over(suggestion, cursor, typed, rest, -growth)
    inserted = cursor.text[cursor.offset : cursor.offset + growth]
    if not _is_unchanged(cursor, growth, suggestion.after) or not _may_be_inserted(inserted, typed):
        return None
    if not inserted:
        return RemainingSuggestion(rest, suggestion.replace_length, suggestion.logprob)
    return _remaining_before_closers(rest, inserted, suggestion)


def _is_unchanged(cursor: Cursor, skipped: int, after: str) -> bool:
    """Return whether the text after the cursor, without some skipped characters, is still the same."""
    start = cursor.offset + skipped
    return cursor.text[start : start + len(after)] == after


def _may_be_inserted(inserted: str, typed: str) -> bool:
    """Return whether an editor may have inserted these characters as closers of the typed ones."""
    return len(inserted) <= len(typed) and all(char in CLOSERS or char in QUOTES for char in inserted)


def _remaining_after_step_over(
    suggestion: Suggestion, cursor: Cursor, typed: str, rest: str, count: int
) -> RemainingSuggestion | None:
    """Return what remains if the user typed closers that the suggestion replaces, and the editor stepped over them."""
    stepped = suggestion.after[:count]
    if count > suggestion.replace_length or not _is_unchanged(cursor, 0, suggestion.after[count:]):
        return None
    is_whole = len(suggestion.after) < MATCH_WINDOW_CHARS
    if is_whole and cursor.offset + len(suggestion.after) - count != len(cursor.text):
        return None
    if stepped not in typed:
        return None
    return RemainingSuggestion(rest, suggestion.replace_length - count, suggestion.logprob)


def _remaining_before_closers(rest: str, inserted: str, suggestion: Suggestion) -> RemainingSuggestion | None:
    """Return what remains if the editor inserted closers after the cursor."""
    if "\n" not in rest and not suggestion.replace_length:
        text, replace_length = reconcile(rest, inserted)
        return RemainingSuggestion(text, replace_length, suggestion.logprob) if text.strip() else None
    first_line = rest.partition("\n")[0]
    brackets = sum(char in CLOSERS for char in inserted)
    quotes = [char for char in inserted if char in QUOTES]
    if len(find_unbalanced(rest).unopened) < brackets or any(quote not in first_line for quote in quotes):
        return None
    return RemainingSuggestion(rest, len(inserted) + suggestion.replace_length, suggestion.logprob)


INDENTATION_SEARCH_CHARS = 20_000
"""Characters of the document's beginning that are searched for tabs."""


def predict_cursors(cursor: Cursor, text: str, replace_length: int, language: str) -> Iterator[Cursor]:
    """Yield the cursor after the text is accepted, then after Enter if nothing follows on the line.

    Args:
        cursor: place where the text is shown.
        text: text that is shown.
        replace_length: number of characters after the cursor that it replaces.
        language: LSP id of the document's language.
    """
    before = cursor.text[: cursor.offset] + text
    accepted = Cursor(before + cursor.text[cursor.offset + replace_length :], len(before))
    yield accepted
    if not accepted.line_after.strip():
        enter = "\n" + _predict_indentation(accepted.line_before, accepted.text, language)
        before = accepted.text[: accepted.offset] + enter
        yield Cursor(before + accepted.text[accepted.line_end :], len(before))


def _predict_indentation(line: str, text: str, language: str) -> str:
    """Return the indentation that editors insert on the line after this one."""
    blanks = line[: len(line) - len(line.lstrip())]
    if not opens_block(line.rstrip(), language):
        return blanks
    uses_tabs = blanks.startswith("\t") or "\n\t" in text[:INDENTATION_SEARCH_CHARS]
    return blanks + ("\t" if uses_tabs else "    ")
