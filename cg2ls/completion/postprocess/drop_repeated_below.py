"""Cut off lines that follow the cursor already."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def drop_repeated_below(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut before a line that equals the next line that is not blank."""
    following = context.cursor.following_line
    if not following or context.cursor.is_mid_line:
        return candidate
    lines = candidate.text.split("\n")
    for number in range(len(lines) if candidate.ended else len(lines) - 1):
        line = (context.cursor.line_before + lines[0] if number == 0 else lines[number]).rstrip()
        if line == following:
            return candidate.until("\n".join(lines[:number]))
    return candidate
