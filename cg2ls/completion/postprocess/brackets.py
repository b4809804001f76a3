"""Rules for brackets and strings that an answer leaves open or closes without need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.syntax.unclosed import CLOSERS, find_open_string, find_unbalanced
from cg2ls.workspace.languages import normalize_language

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.syntax.unclosed import OpenString


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


MAX_SEARCH_CHARS = 2000
"""Characters before the cursor that are searched for open brackets."""


def drop_unmatched_closers(candidate: Candidate, context: RuleContext) -> Candidate:
    """Drop closers at the end of the text that nothing before them opened."""
    cursor = context.cursor
    if cursor.line_after.strip():
        return candidate
    text = candidate.text
    unopened = find_unbalanced(text).unopened
    if not unopened:
        return candidate
    before = cursor.text[max(0, cursor.offset - MAX_SEARCH_CHARS) : cursor.offset]
    spare = unopened[len(find_unbalanced(before).open) :]
    if spare and not text[spare[0] :].strip("".join(CLOSERS) + " \t\n,;"):
        return candidate.until(text[: spare[0]])
    return candidate
