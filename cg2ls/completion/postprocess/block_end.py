"""Rules for where a line, a block or a string of several lines ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.region import measure_indentation
from cg2ls.completion.syntax.unclosed import CLOSERS, OPENERS, find_open_string, find_unbalanced
from cg2ls.workspace.languages import normalize_language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.syntax.unclosed import OpenString
    from cg2ls.completion.types import Trigger


def limit_lines(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut at the first line end, or a block after the maximum number of lines.

    The end of the line on which the text begins does not count.
    """
    if context.extent == "line":
        return candidate.until(candidate.text.partition("\n")[0])
    if context.max_lines is None:
        return candidate
    skipped = candidate.text.startswith("\n")
    return candidate.until("\n".join(candidate.text.split("\n")[: context.max_lines + skipped]))


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


def drop_unfinished_line(candidate: Candidate, context: RuleContext) -> Candidate:
    """Drop the last of several lines if nothing ended it."""
    if candidate.ended or context.extent == "line":
        return candidate
    return candidate.until(candidate.text.rpartition("\n")[0] or candidate.text)


QUOTES = ('"""', "'''", "`")
"""Quotes of strings that may have several lines."""


def balance_strings(candidate: Candidate, context: RuleContext) -> Candidate:
    """End a string of several lines that the text begins and leaves open, or drop it if it is blank.

    Such a string is left open if another rule cut the answer, at a blank line of a docstring or at the line's end.
    """
    if not any(quote in candidate.text for quote in QUOTES) or context.cursor.is_mid_line:
        return candidate
    region = context.region
    if region is None or context.grammar is None:
        return candidate
    before = region.above + region.line_before
    language = normalize_language(context.language)
    found = find_open_string(before + candidate.text, language)
    if found is None or not found.may_have_lines or found.offset < len(before):
        return candidate
    begin = found.offset - len(before)
    if not candidate.text[begin + len(found.quote) :].strip():
        balanced = candidate.until(candidate.text[:begin].rstrip())
    elif found.quote in region.line_after:
        return candidate
    else:
        text = candidate.text.rstrip()
        balanced = candidate.with_text(text + _end(before + text, found))
    # the quotes may have ended a string that begins before the region
    is_sound = context.grammar.parses(region.with_text(balanced.text, balanced.replace_length))
    return balanced if is_sound else candidate


def _end(code: str, string: OpenString) -> str:
    """Return the end of a string: its quotes, on a separate line if it is a docstring of several lines."""
    begin = code.rfind("\n", 0, string.offset) + 1
    blanks = code[begin : string.offset]
    is_block = not blanks.strip() and len(string.quote) == 3 and "\n" in code[string.offset :]
    return f"\n{blanks}{string.quote}" if is_block else string.quote
