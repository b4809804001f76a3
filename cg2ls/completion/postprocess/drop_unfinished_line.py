"""Drop the last line of a block that ran out of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def drop_unfinished_line(candidate: Candidate, context: RuleContext) -> Candidate:
    """Drop the last of several lines if nothing ended it."""
    if candidate.ended or context.extent == "line":
        return candidate
    return candidate.until(candidate.text.rpartition("\n")[0] or candidate.text)
