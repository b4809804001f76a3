"""Nothing follows a jump in its block."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.syntax.languages import language_of
from cg2ls.completion.syntax.region import indentation
from cg2ls.completion.syntax.unclosed import CLOSERS, unbalanced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

JUMPS = {
    "python": re.compile(r"(?:return|raise|break|continue)\b"),
    **dict.fromkeys(
        ("javascript", "typescript", "java", "csharp", "cpp", "c", "php"),
        re.compile(r"(?:return|throw|break|continue)\b.*;$"),
    ),
}
"""Statements after which nothing runs, by language; where they end with a semicolon, only if it stands there."""

MAY_FOLLOW = {"python": ("yield",)}
"""First words that make sense there all the same: a `yield` turns its function into a generator."""
MAY_FOLLOW_ELSEWHERE = ("case", "default", "function", "async", "class", "}")

_CONTINUED = ("\\", ",", "(", "[", "{")
_UNBRACED = re.compile(r"(?:\)|\belse)$")


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends before code that could never run: as deep as a `return`, `raise`, `break` or `continue` right above it."""
    language = language_of(at.language)
    jump = JUMPS.get(language)
    cursor = at.cursor
    if jump is None or at.extent != "block" or cursor.line_before.strip():
        return draft
    lines = draft.text.split("\n")
    lines[0] = cursor.line_before + lines[0]
    count = len(lines) if draft.ended else len(lines) - 1
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        is_whole = number < count
        if not _may_follow(line.strip(), language, is_whole=is_whole) and _is_dead(
            line, [*cursor.written_above, *filter(str.strip, lines[:number])], jump, language
        ):
            return draft.until("\n".join(draft.text.split("\n")[:number]))
    return draft


def _may_follow(line: str, language: str, *, is_whole: bool) -> bool:
    """Whether a line, of which more may come, makes sense after a jump."""
    if line[0] in CLOSERS:
        return True
    words = MAY_FOLLOW.get(language, MAY_FOLLOW_ELSEWHERE)
    first = re.match(r"\w*", line)
    assert first
    if first.group() == line and not is_whole:
        return any(word.startswith(line) for word in words)
    return first.group() in words


def _is_dead(line: str, written: Sequence[str], jump: re.Pattern[str], language: str) -> bool:
    """Whether a line stands as deep as the jump that the nearest lines above it make up."""
    deep = indentation(line)
    for number in range(len(written) - 1, -1, -1):
        other = written[number]
        if indentation(other) > deep or (indentation(other) == deep and other.lstrip()[0] in CLOSERS):
            continue
        if indentation(other) < deep or not jump.match(other.strip()):
            return False
        statement = "\n".join(written[number:])
        if unbalanced(statement).open or statement.rstrip().endswith(_CONTINUED):
            return False
        before = written[number - 1].rstrip() if number else ""
        return language == "python" or not _UNBRACED.search(before)
    return False


RULE = Rule(
    "stop_after_jump", "ends before code that a `return` or another jump above it lets never run", apply
)
