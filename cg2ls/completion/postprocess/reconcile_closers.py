"""Reconcile the answer with closers that follow the cursor.

The prompt leaves them out, so the model writes them again. The text shown must not repeat them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.unclosed import CLOSERS, QUOTES, find_unbalanced

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

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
