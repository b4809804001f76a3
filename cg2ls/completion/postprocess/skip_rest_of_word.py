"""Inside a word, do not write the rest of the word again."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.drop_repeated_rest import MIN_REPEATED_CHARS
from cg2ls.completion.postprocess.reconcile_closers import reconcile
from cg2ls.completion.prompt.cursor import CLOSERS_PATTERN

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.prompt.cursor import Cursor

MAX_SEARCH_CHARS = 20_000
"""Characters before and after the cursor that are searched for a word."""

_WORD = re.compile(r"\w*")


def skip_rest_of_word(candidate: Candidate, context: RuleContext) -> Candidate:
    """Let the text replace the rest of the word if it continues after it, and drop text that adds nothing.

    A text that is only a part of a word is inserted before the rest, if the resulting word occurs nearby. A text that
    ends the word differently is dropped, because it would delete what the user wrote.
    """
    cursor = context.cursor
    rest = _WORD.match(cursor.line_after).group()  # type: ignore[union-attr]  # it also matches the empty string
    if not rest or not _ends_in_word(cursor.line_before):
        return candidate
    word = _WORD.match(candidate.text).group()  # type: ignore[union-attr]
    more, right = candidate.text[len(word) :], cursor.line_after[len(rest) :]
    holds_rest = word.startswith(rest) or word.endswith(rest)
    if not more.strip() and not holds_rest:
        return (
            candidate
            if candidate.text.strip() == word and _occurs_nearby(cursor, word + rest)
            else candidate.until("")
        )
    if not holds_rest:
        return candidate.until("")
    more, replace_length = _find_new_part(more, right)
    if not more and word.endswith(rest):
        return candidate.until(word[: len(word) - len(rest)])
    return replace(candidate, text=word + more, replace_length=len(rest) + replace_length)


def _occurs_nearby(cursor: Cursor, end: str) -> bool:
    """Return whether the beginning of the cursor's word, with another end, is a word that occurs nearby."""
    begin = re.search(r"\w*\Z", cursor.line_before)
    assert begin
    around = cursor.text[max(0, cursor.offset - MAX_SEARCH_CHARS) : cursor.offset + MAX_SEARCH_CHARS]
    return re.search(rf"\b{re.escape(begin.group() + end)}\b", around) is not None


def _ends_in_word(line: str) -> bool:
    return line[-1:].isalnum() or line.endswith("_")


def _find_new_part(more: str, right: str) -> tuple[str, int]:
    """Return the text to insert after a word, and how many characters of `right` it replaces."""
    if not more.strip():
        return "", 0
    if CLOSERS_PATTERN.fullmatch(right):
        text, replace_length = reconcile(more.rstrip(), right)
        return (text if text.strip() else ""), replace_length
    at = more.find(right.rstrip()) if len(right.strip()) >= MIN_REPEATED_CHARS else -1
    return (more[:at] if at > 0 else ""), 0
