"""A block ends at a blank line; one that was asked for at two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

ALLOWED = {"automatic": 0, "invoked": 1}
"""Blank lines in a row that may stand inside a block, by who asked for it."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends before the first run of too many blank lines that follows something written.

    A blank line counts once it is ended.
    """
    lines = draft.text.split("\n")
    written = last = 0
    for number, line in enumerate(lines[:-1]):
        if line.strip():
            written, last = written + 1, number
        elif written and number - last > ALLOWED[at.trigger]:
            return draft.until("\n".join(lines[: last + 1]))
    return draft


RULE = Rule("blank_lines", "a block ends at a blank line, or at two if the user asked for it", apply)
