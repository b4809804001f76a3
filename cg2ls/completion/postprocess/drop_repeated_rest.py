"""Cut off code that already follows the cursor on its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.syntax.unclosed import CLOSERS, find_unbalanced

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MIN_REPEATED_CHARS = 3
"""A piece of the line after the cursor of this length counts as a repetition wherever it occurs."""


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
