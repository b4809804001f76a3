"""End a block at a blank line, or at two if the user asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.types import Trigger

MAX_BLANK_LINES: dict[Trigger, int] = {"automatic": 0, "invoked": 1}
"""Number of consecutive blank lines allowed inside a block, by who asked for it."""


def stop_at_blank_line(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut before the first run of too many blank lines after a line that is not blank.

    A blank line counts only after its line end.
    """
    lines = candidate.text.split("\n")
    written = last = 0
    for number, line in enumerate(lines[:-1]):
        if line.strip():
            written, last = written + 1, number
        elif written and number - last > MAX_BLANK_LINES[context.trigger]:
            return candidate.until("\n".join(lines[: last + 1]))
    return candidate
