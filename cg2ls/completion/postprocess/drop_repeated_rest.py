"""What stands right of the cursor already is not written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.syntax.unclosed import CLOSERS, unbalanced

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MATTERS = 3
"""A piece of the line right of the cursor this long is taken for a repetition wherever it appears."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends where the text begins to repeat the code right of the cursor."""
    if not at.cursor.mid_line:
        return draft
    after = at.cursor.line_after
    for rest in (after.rstrip(), after.strip()):
        found = draft.text.find(rest) if len(rest.strip()) >= MATTERS else -1
        if found < 0 and draft.ended:
            found = _overlap(draft.text, rest)
        if found >= 0:
            return draft.until(draft.text[:found])
    return draft


def _overlap(text: str, rest: str) -> int:
    """Offset where the text's end is the beginning of `rest`; -1 if that may be chance."""
    for length in range(min(len(rest), len(text)), 0, -1):
        at = len(text) - length
        if not text.endswith(rest[:length]):
            continue
        if length >= MATTERS or (rest[0] in CLOSERS and at in unbalanced(text).unopened):
            return at
    return -1


RULE = Rule("rest_of_line", "ends where it begins to repeat the code right of the cursor", apply)
