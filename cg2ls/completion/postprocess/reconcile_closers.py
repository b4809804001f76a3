"""Closers that stand right of the cursor already.

They are left out of the prompt, so the model writes them again. What is shown must not have them twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.syntax.unclosed import CLOSERS, QUOTES, unbalanced

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_CLOSERS = 100
"""Characters right of the cursor; more closers than an editor puts in are left alone."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Reconciles the text with closers right of the cursor, if nothing else stands there."""
    if at.cursor.mid_line:
        return draft
    text, replace_length = reconcile(draft.text.rstrip(), at.cursor.line_after)
    return replace(draft, text=text, replace_length=replace_length)


def reconcile(text: str, line_after: str) -> tuple[str, int]:
    """Takes closers off the text that the line has already, or has the text take their place.

    Args:
        text: what was generated, one line.
        line_after: the line right of the cursor, nothing but closers and blanks.

    Returns:
        The text to show, and how many characters of `line_after` it replaces: 0 unless the text goes on
        behind the closers, as in `a, b):` for `f(|)`.
    """
    right = line_after.strip()
    if not right or len(right) > MAX_CLOSERS or "\n" in text:
        return text, 0
    unopened = set(unbalanced(text).unopened)
    for length in range(len(right), 0, -1):
        closers = right[:length]
        if text.endswith(closers) and _closes_what_was_open(len(text) - length, closers, unopened):
            return text[: len(text) - length], 0
    at = _where_written(text, right, unopened)
    if at is None:
        return text, 0
    return (text, len(right)) if line_after.startswith(right) else (text[:at], 0)


def _where_written(text: str, closers: str, unopened: set[int]) -> int | None:
    """Offset of the first of the closers inside the text; None if they are not there, in their order."""
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


def _closes_what_was_open(at: int, closers: str, unopened: set[int]) -> bool:
    """Whether `closers`, found in a text at `at`, close what stands before the text and not in it."""
    if any(char in QUOTES for char in closers):
        return True
    return all(at + i in unopened for i, char in enumerate(closers) if char in CLOSERS)


RULE = Rule("closers", "closers right of the cursor are not shown twice", apply)
