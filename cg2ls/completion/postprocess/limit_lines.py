"""Limit the number of lines to the extent of the completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def limit_lines(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut at the first line end, or a block after the maximum number of lines.

    The end of the line on which the text begins does not count.
    """
    if context.extent == "line":
        return candidate.until(candidate.text.partition("\n")[0])
    if context.max_lines is None:
        return candidate
    skipped = candidate.text.startswith("\n")
    return candidate.until("\n".join(candidate.text.split("\n")[: context.max_lines + skipped]))
