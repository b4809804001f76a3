"""As many lines as are wanted at this cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends at the first line end, or in a block after the most lines.

    The end of the line that the text begins on does not count.
    """
    if at.extent == "line":
        return draft.until(draft.text.partition("\n")[0])
    if at.max_lines is None:
        return draft
    skipped = draft.text.startswith("\n")
    return draft.until("\n".join(draft.text.split("\n")[: at.max_lines + skipped]))


RULE = Rule("extent", "ends at the line's end, or in a block after `max_lines`", apply)
