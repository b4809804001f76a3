"""End a block before the first line that is indented less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.syntax.region import measure_indentation
from cg2ls.completion.syntax.unclosed import CLOSERS, OPENERS

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def stop_at_dedent(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut before the first line that is not part of the block at the cursor.

    On a blank line, the block is the code at the cursor's indentation or deeper. If the cursor is not indented, the
    indentation of the first line with text counts. Otherwise the block is the code that is indented deeper than the
    cursor's line, and the line that closes the bracket at its end.
    """
    line_before = context.cursor.line_before
    lines = candidate.text.split("\n")
    margin = measure_indentation(line_before + "x")
    blank = not line_before.strip()
    base = margin if blank else margin + 1
    if blank and margin == 0:
        base = next((measure_indentation(line) for line in lines if line.strip()), 0)
    for number, line in enumerate(lines[1:], 1):
        if not line.strip() or measure_indentation(line) >= base:
            continue
        if not blank and _closes(line, line_before + lines[0], margin):
            return candidate.until("\n".join(lines[: number + 1]))
        return candidate.until("\n".join(lines[:number]))
    return candidate


def _closes(line: str, opening: str, margin: int) -> bool:
    """Return whether a line at the margin closes the bracket that the opening line ends with."""
    return (
        opening.rstrip().endswith(tuple(OPENERS))
        and measure_indentation(line) == margin
        and line.lstrip()[0] in CLOSERS
    )
