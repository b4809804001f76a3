"""Drop answers that repeat the lines directly above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.cut_repetition import MIN_LINE_CHARS

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_COMPARED_LINES = 3
"""Number of lines that are compared with the lines above."""


def drop_repeated_above(candidate: Candidate, context: RuleContext) -> Candidate:
    """Drop a text that begins with the line directly above the cursor's, or with the two or three above it.

    Lines without a letter, such as rows of numbers, and very short lines may be repeated. So may an item of a list that
    the user has begun to type.
    """
    cursor = context.cursor
    if cursor.is_mid_line:
        return candidate
    lines = candidate.text.split("\n")
    lines[0] = cursor.line_before + lines[0]
    whole = [line.rstrip() for line in (lines if candidate.ended else lines[:-1]) if line.strip()]
    above = cursor.written_above
    is_item_begun = any(char.isalpha() for char in cursor.line_before)
    for count in range(1, min(len(whole), MAX_COMPARED_LINES) + 1):
        if is_item_begun and whole[0].endswith(","):
            break
        if above[-count:] == tuple(whole[:count]) and _is_significant(whole[:count]):
            return candidate.until("")
    return candidate


def _is_significant(lines: list[str]) -> bool:
    written = "".join(line.strip() for line in lines)
    return len(written) >= MIN_LINE_CHARS and any(char.isalpha() for char in written)
