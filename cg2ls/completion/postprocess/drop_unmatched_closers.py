"""Closers that close nothing are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.syntax.unclosed import CLOSERS, unbalanced

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

LOOK_BACK = 2000
"""Characters before the cursor in which open brackets are looked for."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Drops closers from the text's end that nothing before it opened."""
    cursor = at.cursor
    if cursor.line_after.strip():
        return draft
    text = draft.text
    unopened = unbalanced(text).unopened
    if not unopened:
        return draft
    before = cursor.text[max(0, cursor.offset - LOOK_BACK) : cursor.offset]
    spare = unopened[len(unbalanced(before).open) :]
    if spare and not text[spare[0] :].strip("".join(CLOSERS) + " \t\n,;"):
        return draft.until(text[: spare[0]])
    return draft


RULE = Rule("unopened", "drops closers from the end that close nothing", apply)
