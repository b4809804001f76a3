"""Rules for closers, and for the code that follows the cursor on its line.

The prompt leaves out the closers there, so the model writes them again. The text shown must not repeat them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cg2ls.completion.prompt.cursor import CLOSERS_PATTERN
from cg2ls.completion.syntax.unclosed import CLOSERS, QUOTES, find_unbalanced

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.prompt.cursor import Cursor


MIN_REPEATED_CHARS = 3
"""A piece of the line after the cursor of this length counts as a repetition at any position."""


def drop_repeated_rest(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut where the text begins to repeat the code after the cursor."""
    if not context.cursor.is_mid_line:
        return candidate
    after = context.cursor.line_after
    for rest in (after.rstrip(), after.strip()):
        found = candidate.text.find(rest) if len(rest.strip()) >= MIN_REPEATED_CHARS else -1
        if found < 0 and candidate.ended:
            found = _find_overlap(candidate.text, rest)
        if found >= 0:
            return candidate.until(candidate.text[:found])
    return candidate


def _find_overlap(text: str, rest: str) -> int:
    """Return the offset from which the text is the beginning of `rest`; -1 if that may be a coincidence."""
    for length in range(min(len(rest), len(text)), 0, -1):
        at = len(text) - length
        if not text.endswith(rest[:length]):
            continue
        if length >= MIN_REPEATED_CHARS or (rest[0] in CLOSERS and at in find_unbalanced(text).unopened):
            return at
    return -1


MAX_CLOSERS = 100
"""Characters after the cursor; more closers than an editor inserts are kept."""


def reconcile_closers(candidate: Candidate, context: RuleContext) -> Candidate:
    """Reconcile the text with closers after the cursor, if nothing else follows on the line."""
    if context.cursor.is_mid_line:
        return candidate
    text, replace_length = reconcile(candidate.text.rstrip(), context.cursor.line_after)
    return replace(candidate, text=text, replace_length=replace_length)


def reconcile(text: str, line_after: str) -> tuple[str, int]:
    """Cut closers off the text that the line has already, or let the text replace them.

    Args:
        text: the generated text.
        line_after: the line after the cursor, which contains only closers and blanks.

    Returns:
        The text to show, and the number of characters of `line_after` that it replaces. The number is 0 unless the
        text continues after the closers, as in `a, b):` for `f(|)`.
    """
    right = line_after.strip()
    if not right or len(right) > MAX_CLOSERS or "\n" in text:
        return text, 0
    unopened = set(find_unbalanced(text).unopened)
    for length in range(len(right), 0, -1):
        closers = right[:length]
        if text.endswith(closers) and _closes_open_brackets(len(text) - length, closers, unopened):
            return text[: len(text) - length], 0
    at = _find_closers(text, right, unopened)
    if at is None:
        return text, 0
    return (text, len(right)) if line_after.startswith(right) else (text[:at], 0)


def _find_closers(text: str, closers: str, unopened: set[int]) -> int | None:
    """Return the offset of the first closer in the text; None if the closers do not occur in this order."""
    if not any(char in CLOSERS or char in QUOTES for char in closers):
        return None
    at = len(text)
    for char in reversed(closers):
        at = text.rfind(char, 0, at)
        while at >= 0 and char in CLOSERS and at not in unopened:
            at = text.rfind(char, 0, at)
        if at < 0:
            return None
    return at


def _closes_open_brackets(at: int, closers: str, unopened: set[int]) -> bool:
    """Return whether `closers`, found in a text at `at`, close brackets that were opened before the text."""
    if any(char in QUOTES for char in closers):
        return True
    return all(at + i in unopened for i, char in enumerate(closers) if char in CLOSERS)


MAX_OPENED_CHARS = 2000
"""Characters before the cursor that are searched for open brackets."""


def drop_unmatched_closers(candidate: Candidate, context: RuleContext) -> Candidate:
    """Drop closers at the end of the text that nothing before them opened."""
    cursor = context.cursor
    if cursor.line_after.strip():
        return candidate
    text = candidate.text
    unopened = find_unbalanced(text).unopened
    if not unopened:
        return candidate
    before = cursor.text[max(0, cursor.offset - MAX_OPENED_CHARS) : cursor.offset]
    spare = unopened[len(find_unbalanced(before).open) :]
    if spare and not text[spare[0] :].strip("".join(CLOSERS) + " \t\n,;"):
        return candidate.until(text[: spare[0]])
    return candidate


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
