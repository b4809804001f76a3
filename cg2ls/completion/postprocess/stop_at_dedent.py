"""A dedent ends a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.syntax.region import indentation
from cg2ls.completion.syntax.unclosed import CLOSERS, OPENERS

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends before the first line that is not part of the block at the cursor.

    On a blank line the block is what is indented as deep as the cursor, or as the first line written if the
    cursor stands at the margin. After a line's beginning it is what is indented deeper than that line, and
    the line that closes the bracket at its end.
    """
    line_before = at.cursor.line_before
    lines = draft.text.split("\n")
    margin = indentation(line_before + "x")
    blank = not line_before.strip()
    base = margin if blank else margin + 1
    if blank and margin == 0:
        base = next((indentation(line) for line in lines if line.strip()), 0)
    for number, line in enumerate(lines[1:], 1):
        if not line.strip() or indentation(line) >= base:
            continue
        if not blank and _closes(line, line_before + lines[0], margin):
            return draft.until("\n".join(lines[: number + 1]))
        return draft.until("\n".join(lines[:number]))
    return draft


def _closes(line: str, opening: str, margin: int) -> bool:
    """Whether a line, back at the margin, closes what the opening line ends with."""
    return (
        opening.rstrip().endswith(tuple(OPENERS))
        and indentation(line) == margin
        and line.lstrip()[0] in CLOSERS
    )


RULE = Rule("dedent", "a block ends before the first line that is indented less than it", apply)
