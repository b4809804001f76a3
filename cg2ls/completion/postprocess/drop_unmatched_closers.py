"""Drop closers that close nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.syntax.unclosed import CLOSERS, find_unbalanced

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_SEARCH_CHARS = 2000
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
    before = cursor.text[max(0, cursor.offset - MAX_SEARCH_CHARS) : cursor.offset]
    spare = unopened[len(find_unbalanced(before).open) :]
    if spare and not text[spare[0] :].strip("".join(CLOSERS) + " \t\n,;"):
        return candidate.until(text[: spare[0]])
    return candidate
