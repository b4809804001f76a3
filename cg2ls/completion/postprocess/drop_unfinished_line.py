"""A block that ran out of tokens loses the line it was writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Drops the last of several lines if nothing ended it."""
    if draft.ended or at.extent == "line":
        return draft
    return draft.until(draft.text.rpartition("\n")[0] or draft.text)


RULE = Rule("unfinished_line", "a block that ran out of tokens loses its last line", apply)
