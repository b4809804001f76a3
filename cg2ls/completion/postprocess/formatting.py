"""Rules that make an answer plain text in the document's style: line ends, special tokens, indentation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.region import TAB_COLUMNS

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def normalize_line_ends(candidate: Candidate, _: RuleContext) -> Candidate:
    r"""Convert `\r\n` and `\r` to `\n`."""
    return candidate.with_text(candidate.text.replace("\r\n", "\n").replace("\r", "\n"))


_SPECIAL = re.compile(r"<\|[\w+#.-]+\|>|<eom>|<sep>|<mask_\d+>|<dummy_\d+>|\ufffd|\x00")


def strip_special_tokens(candidate: Candidate, _: RuleContext) -> Candidate:
    """Cut where another document would begin, or at bytes that are not text."""
    found = _SPECIAL.search(candidate.text)
    return candidate.until(candidate.text[: found.start()]) if found else candidate


MAX_SEARCH_CHARS = 20_000
"""Characters before and after the cursor that are searched for indented lines."""

_INDENTED = re.compile(r"^(\t+|  +)(?=\S)", re.MULTILINE)


def match_indentation(candidate: Candidate, context: RuleContext) -> Candidate:
    """Indent new lines with tabs or blanks, like the lines around them, and the first line only once.

    On a blank line the text begins at the cursor, so indentation that is already there is dropped from the text.
    """
    cursor = context.cursor
    lines = candidate.text.split("\n")
    around = "\n" + cursor.text[max(0, cursor.offset - MAX_SEARCH_CHARS) : cursor.offset + MAX_SEARCH_CHARS]
    if len(lines) > 1 and (tabs := _uses_tabs(around)) is not None:
        lines[1:] = [
            _indent_with_tabs(line) if tabs else _indent_with_blanks(line, around) for line in lines[1:]
        ]
    before = cursor.line_before
    if before and not before.strip() and lines[0].strip():
        written = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        if written == before or (len(lines) > 1 and _is_deeper_than_the_rest(before + written, lines[1:])):
            lines[0] = lines[0].lstrip()
    return candidate.with_text("\n".join(lines))


def _uses_tabs(around: str) -> bool | None:
    """Return whether most indented lines begin with tabs; None if there are none or equally many of both."""
    tabs, blanks = around.count("\n\t"), around.count("\n  ")
    return None if tabs == blanks else tabs > blanks


def _indent_with_tabs(line: str) -> str:
    blanks = line[: len(line) - len(line.lstrip(" \t"))]
    if " " * TAB_COLUMNS not in blanks:
        return line
    return blanks.replace(" " * TAB_COLUMNS, "\t") + line[len(blanks) :]


def _indent_with_blanks(line: str, around: str) -> str:
    tabs = len(line) - len(line.lstrip("\t"))
    return " " * (_find_unit(around) * tabs) + line[tabs:] if tabs else line


def _find_unit(around: str) -> int:
    """Return the blanks of one level: the fewest that any line begins with."""
    return min((len(found.group(1)) for found in _INDENTED.finditer(around)), default=TAB_COLUMNS)


def _is_deeper_than_the_rest(start: str, lines: list[str]) -> bool:
    """Return whether a block's first line would be indented deeper than all others."""
    others = [line for line in lines if line.strip()]
    return bool(others) and all(len(line) - len(line.lstrip()) < len(start) for line in others)
