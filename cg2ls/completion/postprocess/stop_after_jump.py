"""End the answer after a jump, since code after it in its block never runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.languages import normalize_language
from cg2ls.completion.syntax.region import measure_indentation
from cg2ls.completion.syntax.unclosed import CLOSERS, find_unbalanced

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
"""Statements after which nothing runs, by language; those with a semicolon count only together with it."""

MAY_FOLLOW = {"python": ("yield",)}
"""First words that are valid there nevertheless: a `yield` turns its function into a generator."""
MAY_FOLLOW_BY_DEFAULT = ("case", "default", "function", "async", "class", "}")

_CONTINUED = ("\\", ",", "(", "[", "{")
_UNBRACED = re.compile(r"(?:\)|\belse)$")


def stop_after_jump(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut before code that never runs: as deep as a `return`, `raise`, `break` or `continue` directly above."""
    language = normalize_language(context.language)
    jump = JUMPS.get(language)
    cursor = context.cursor
    if jump is None or context.extent != "block" or cursor.line_before.strip():
        return candidate
    lines = candidate.text.split("\n")
    lines[0] = cursor.line_before + lines[0]
    count = len(lines) if candidate.ended else len(lines) - 1
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        is_whole = number < count
        if not _may_follow(line.strip(), language, is_whole=is_whole) and _is_dead(
            line, [*cursor.written_above, *filter(str.strip, lines[:number])], jump, language
        ):
            return candidate.until("\n".join(candidate.text.split("\n")[:number]))
    return candidate


def _may_follow(line: str, language: str, *, is_whole: bool) -> bool:
    """Return whether a line, which may be incomplete, is valid after a jump."""
    if line[0] in CLOSERS:
        return True
    words = MAY_FOLLOW.get(language, MAY_FOLLOW_BY_DEFAULT)
    first = re.match(r"\w*", line)
    assert first
    if first.group() == line and not is_whole:
        return any(word.startswith(line) for word in words)
    return first.group() in words


def _is_dead(line: str, written: Sequence[str], jump: re.Pattern[str], language: str) -> bool:
    """Return whether the nearest lines above a line are a jump at the same depth."""
    depth = measure_indentation(line)
    for number in range(len(written) - 1, -1, -1):
        other = written[number]
        if measure_indentation(other) > depth or (
            measure_indentation(other) == depth and other.lstrip()[0] in CLOSERS
        ):
            continue
        if measure_indentation(other) < depth or not jump.match(other.strip()):
            return False
        statement = "\n".join(written[number:])
        if find_unbalanced(statement).open or statement.rstrip().endswith(_CONTINUED):
            return False
        before = written[number - 1].rstrip() if number else ""
        return language == "python" or not _UNBRACED.search(before)
    return False
