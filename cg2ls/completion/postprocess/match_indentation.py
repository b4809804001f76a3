"""Lines begin with the blanks that the document's lines begin with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.syntax.region import TAB_WIDTH

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

LOOK = 20_000
"""Characters before and behind the cursor in which the document's habit is looked for."""

_INDENTED = re.compile(r"^(\t+|  +)(?=\S)", re.MULTILINE)


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Indents new lines by tabs or by blanks, as the lines around do, and the first not twice.

    On a line of blanks the text begins where the cursor stands: what it brings along of the indentation that stands
    there already is dropped.
    """
    cursor = at.cursor
    lines = draft.text.split("\n")
    around = "\n" + cursor.text[max(0, cursor.offset - LOOK) : cursor.offset + LOOK]
    if len(lines) > 1 and (tabs := _uses_tabs(around)) is not None:
        lines[1:] = [_with_tabs(line) if tabs else _with_blanks(line, around) for line in lines[1:]]
    before = cursor.line_before
    if before and not before.strip() and lines[0].strip():
        written = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        if written == before or (len(lines) > 1 and _is_deeper_than_the_rest(before + written, lines[1:])):
            lines[0] = lines[0].lstrip()
    return draft.with_text("\n".join(lines))


def _uses_tabs(around: str) -> bool | None:
    """Whether most indented lines begin with tabs; None if there are none or it cannot be told."""
    tabs, blanks = around.count("\n\t"), around.count("\n  ")
    return None if tabs == blanks else tabs > blanks


def _with_tabs(line: str) -> str:
    blanks = line[: len(line) - len(line.lstrip(" \t"))]
    if " " * TAB_WIDTH not in blanks:
        return line
    return blanks.replace(" " * TAB_WIDTH, "\t") + line[len(blanks) :]


def _with_blanks(line: str, around: str) -> str:
    tabs = len(line) - len(line.lstrip("\t"))
    return " " * (_unit(around) * tabs) + line[tabs:] if tabs else line


def _unit(around: str) -> int:
    """Blanks of one level: the fewest that any line begins with."""
    return min((len(found.group(1)) for found in _INDENTED.finditer(around)), default=TAB_WIDTH)


def _is_deeper_than_the_rest(start: str, lines: list[str]) -> bool:
    """Whether a block's first line would be indented deeper than every other."""
    others = [line for line in lines if line.strip()]
    return bool(others) and all(len(line) - len(line.lstrip()) < len(start) for line in others)


RULE = Rule("indentation", "lines are indented by tabs or blanks as those around, and never twice", apply)
