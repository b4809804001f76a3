"""What stands right above is not written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.cut_repetition import LINE_CHARACTERS
from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_LINES = 3
"""Lines that are compared with as many above."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Drops a text that begins with the line directly above the cursor's, or with the two or three above it.

    Lines without a letter, as rows of numbers, and very short ones may follow each other, and so may an item of a list
    that somebody has begun to type.
    """
    cursor = at.cursor
    if cursor.mid_line:
        return draft
    lines = draft.text.split("\n")
    lines[0] = cursor.line_before + lines[0]
    whole = [line.rstrip() for line in (lines if draft.ended else lines[:-1]) if line.strip()]
    above = cursor.written_above
    is_item_begun = any(char.isalpha() for char in cursor.line_before)
    for count in range(1, min(len(whole), MAX_LINES) + 1):
        if is_item_begun and whole[0].endswith(","):
            break
        if above[-count:] == tuple(whole[:count]) and _matters(whole[:count]):
            return draft.until("")
    return draft


def _matters(lines: list[str]) -> bool:
    written = "".join(line.strip() for line in lines)
    return len(written) >= LINE_CHARACTERS and any(char.isalpha() for char in written)


RULE = Rule("drop_repeat_above", "drops what begins with the lines directly above", apply)
