"""What stands below already is not written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends before a line that stands right below the cursor already, blank lines between them skipped."""
    following = at.cursor.following_line
    if not following or at.cursor.mid_line:
        return draft
    lines = draft.text.split("\n")
    for number in range(len(lines) if draft.ended else len(lines) - 1):
        line = (at.cursor.line_before + lines[0] if number == 0 else lines[number]).rstrip()
        if line == following:
            return draft.until("\n".join(lines[:number]))
    return draft


RULE = Rule("repeated_below", "ends before a line that stands right below the cursor already", apply)
